using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>What is stored through seed 001 is what the model reads in front of the next message.</summary>
public sealed class ChatHistoryPromptTests : ChatHistoryTestBase
{
    private const string Arguments = """{"title":"Milk"}""";
    private const string Call = """{"id":"call_1","type":"function","function":{"name":"add_task","arguments":"{\"title\":\"Milk\"}"}}""";

    private static readonly LlmMessage Question = new("user", "Add milk to my list.");
    private static readonly LlmMessage Calling = new("assistant", "") { ToolCalls = [new LlmToolCall("call_1", "add_task", Arguments)] };
    private static readonly LlmMessage Result = new("tool", "Task 7") { ToolCallId = "call_1" };

    /// <summary>Models take no message of the user right behind a result.</summary>
    private static readonly LlmMessage Unanswered = new("assistant", "(No reply was produced.)");

    [SetUp]
    public void Start() => StartApp();

    [TestCase($"[{Call}]", """{"tool_call_id":"call_1"}""")]
    [TestCase($"[{Call}]", "null")]
    [TestCase($$"""{"tool_calls":[{{Call}}]}""", """{"id":"call_1"}""")]
    [TestCase(Call, "\"\\\"call_1\\\"\"")]
    [TestCase("""{"id":"call_1","name":"add_task","arguments":{"title":"Milk"}}""", """{"tool_call_id":"call_1","name":"add_task"}""")]
    public async Task Send_BehindAToolExchange_GivesTheModelTheCallWithItsResult(string calls, string answered)
    {
        var id = await StoreAsync(("user", Question.Content, "null"), ("assistant", "", calls), ("tool", "Task 7", answered), ("assistant", "Done.", "null"));

        var reply = await App.SendAsync(id, "Thanks!");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
            Assert.That(Llm.Requests.Single().Messages,
                Is.EqualTo(new[] { Question, Calling, Result, new LlmMessage("assistant", "Done."), new LlmMessage("user", "Thanks!") }));
        });
    }

    [Test]
    public async Task Send_BehindAnExchangeStoredByQuery_GivesTheModelTheCallWithItsResult()
    {
        var id = await OpenAsync();
        await AddByQueryAsync(id, ("role", "user"), ("content", Question.Content));
        await AddByQueryAsync(id, ("role", "assistant"), ("content", ""), ("tool_calls", $"[{Call}]"));
        await AddByQueryAsync(id, ("role", "tool"), ("content", "Task 7"), ("tool_calls", """{"tool_call_id":"call_1"}"""));

        var reply = await App.SendAsync(id, "Thanks!");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
            Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new[] { Question, Calling, Result, Unanswered, new LlmMessage("user", "Thanks!") }));
        });
    }

    [Test]
    public async Task Send_CallIsOnlyWithTheToolsMessage_GivesTheModelBoth()
    {
        var id = await StoreAsync(("user", Question.Content, "null"), ("tool", "Task 7", Call), ("assistant", "Done.", "null"));

        var reply = await App.SendAsync(id, "Thanks!");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
            Assert.That(Llm.Requests.Single().Messages,
                Is.EqualTo(new[] { Question, Calling, Result, new LlmMessage("assistant", "Done."), new LlmMessage("user", "Thanks!") }));
        });
    }

    [TestCase("[]")]
    [TestCase("5")]
    [TestCase("{\"a\":1}")]
    [TestCase("\"\\\"\\\\ud800\\\"\"")]
    public async Task Send_BehindToolCallsThatSayNothing_IsAnswered(string calls)
    {
        var id = await StoreAsync(("user", "One", "null"), ("assistant", "Two", calls), ("tool", "Three", calls));

        var reply = await App.SendAsync(id, "Four");

        var sent = Llm.Requests.Single().Messages;
        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.Text("reply"), Is.EqualTo("echo: Four"));
            Assert.That(sent[0], Is.EqualTo(new LlmMessage("user", "One")));
            Assert.That(sent[^1], Is.EqualTo(new LlmMessage("user", "Four")));
        });
    }

    private async Task<string> StoreAsync(params (string Role, string Content, string ToolCalls)[] messages)
    {
        var id = await OpenAsync();
        foreach (var (role, content, calls) in messages)
        {
            var reply = await App.PostJsonAsync(
                $"/conversations/{id}/messages", $$"""{"role":"{{role}}","content":"{{content}}","tool_calls":{{calls}}}""");
            Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
        }

        return id;
    }
}
