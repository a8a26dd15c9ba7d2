using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Runs;

/// <summary>How long a reply may take and become.</summary>
public sealed class RunLimitTests : ApiTestBase
{
    private readonly FakeTime time = new();

    [Test]
    public async Task Provider_SilentInTheMiddle_LeavesAnIncompleteReply()
    {
        StartApp(("Providers:groq:Timeout", "00:00:02"));
        App.Log.Expect("Timeout");
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        var chatId = await App.CreateChatAsync();
        await using var stream = await App.StreamAsync(chatId, "A story");

        var events = await stream.ReadToEndAsync();

        await Llm.WaitForAbortsAsync(1);
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo("Once upon "));
            Assert.That(events[^1].Name, Is.EqualTo("run.incomplete"));
            Assert.That(events[^1].Data.GetProperty("error").Text("code"), Is.EqualTo("provider_timeout"));
            Assert.That(messages.Json[1].Text("status"), Is.EqualTo("incomplete"));
            Assert.That(messages.Json[1].Text("content"), Is.EqualTo("Once upon "));
        });
    }

    [Test]
    public async Task Provider_SilentInTheMiddle_IsAnErrorToASenderWithoutStream()
    {
        StartApp(("Providers:groq:Timeout", "00:00:02"));
        App.Log.Expect("Timeout");
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));

        var sent = await App.PostAsync("/chat", new { message = "A story" });

        Assert.That((sent.Status, sent.Code), Is.EqualTo((504, "provider_timeout")));
    }

    [Test]
    public async Task MaxDuration_Over_LeavesAnIncompleteReply()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time), ("Runs:MaxDuration", "00:05:00"));
        App.Log.Expect("Runs:MaxDuration");
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        var chatId = await App.CreateChatAsync();
        await using var stream = await App.StreamAsync(chatId, "A story");
        await stream.ReadTextAsync("Once upon ".Length);

        time.Advance(TimeSpan.FromMinutes(5));

        var end = (await stream.ReadToEndAsync())[^1];
        await Llm.WaitForAbortsAsync(1);
        Assert.Multiple(() =>
        {
            Assert.That(end.Name, Is.EqualTo("run.incomplete"));
            Assert.That(end.Data.Text("reply"), Is.EqualTo("Once upon "));
            Assert.That(end.Data.GetProperty("error").Text("code"), Is.EqualTo("run_timeout"));
        });
    }

    [Test]
    public async Task MaxDuration_OverBeforeAnyText_IsAFailure()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time), ("Runs:MaxDuration", "00:05:00"));
        App.Log.Expect("Runs:MaxDuration");
        Llm.Enqueue(LlmReplies.Slow());
        var sending = App.PostAsync("/chat", new { message = "A story" });
        await Llm.WaitForRequestsAsync(1);

        time.Advance(TimeSpan.FromMinutes(5));

        var sent = await sending;
        Assert.That((sent.Status, sent.Code), Is.EqualTo((504, "run_timeout")));
    }

    [Test]
    public async Task MaxDuration_WaitForTheTurn_DoesNotCount()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time), ("Runs:MaxDuration", "00:05:00"));
        App.Log.Expect("Runs:MaxDuration");
        Llm.Enqueue(LlmReplies.Slow(), LlmReplies.Answer("In time."));
        var chatId = await App.CreateChatAsync();
        await using var first = await App.StreamAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        await using var second = await App.StreamAsync(chatId, "Second");

        time.Advance(TimeSpan.FromMinutes(5));

        var events = await second.ReadToEndAsync();
        Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("In time."));
    }

    [TestCase("123456789", "123456")]
    [TestCase("12345€", "12345")]
    [TestCase("12😀", "12😀")]
    [TestCase("123😀", "123")]
    [TestCase("123456", "123456")]
    public async Task MaxReplyTokens_Over_CutsTheReplyAtAWholeCharacter(string answer, string expected)
    {
        StartApp(("Runs:MaxReplyTokens", "2"));
        if (answer != expected)
            App.Log.Expect("Runs:MaxReplyTokens");
        Llm.Enqueue(LlmReplies.Answer(answer));

        var sent = await App.PostAsync("/chat", new { message = "Count" });

        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("reply"), Is.EqualTo(expected));
            Assert.That(sent.Json.Text("finish_reason"), Is.EqualTo(answer == expected ? "stop" : "length"));
        });
    }

    [Test]
    public async Task MaxReplyTokens_Over_HangsUpOnTheModel()
    {
        StartApp(("Runs:MaxReplyTokens", "2"));
        App.Log.Expect("Runs:MaxReplyTokens");
        Llm.Enqueue(LlmReplies.PausingStream("123456789"));

        var sent = await App.PostAsync("/chat", new { message = "Count" });

        await Llm.WaitForAbortsAsync(1);
        var run = await App.GetAsync($"/runs/{sent.Json.Text("run_id")}");
        Assert.Multiple(() =>
        {
            Assert.That(run.Json.Text("status"), Is.EqualTo("completed"));
            Assert.That(run.Json.GetProperty("usage").GetProperty("estimated").GetBoolean(), Is.True);
        });
    }
}
