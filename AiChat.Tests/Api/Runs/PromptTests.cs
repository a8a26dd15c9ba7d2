using AiChat.Core.Memory;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>What a long chat sends to the model: the newest messages that fit, whole, and last the one to be answered.</summary>
public sealed class PromptTests : ApiTestBase
{
    private const string SystemPrompt = "You are a patient teacher of geography.";
    private const string Question = "And which was the last one?";

    [Test]
    public async Task Send_Message51_IsAnsweredAboutItself()
    {
        StartApp();
        var chatId = await App.CreateChatAsync();
        await SendAllAsync(chatId, Enumerable.Range(1, 25).Select(i => $"Question {i}"));

        var sent = await App.SendAsync(chatId, Question);

        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: " + Question));
            Assert.That(Llm.Requests[^1].Messages, Has.Count.EqualTo(51));
            Assert.That(Llm.Requests[^1].Messages[0], Is.EqualTo(new LlmMessage("user", "Question 1")));
            Assert.That(Llm.Requests[^1].Messages[^1], Is.EqualTo(new LlmMessage("user", Question)));
        });
    }

    [TestCase(2500, 4000)]
    [TestCase(300, 1000)]
    [TestCase(300, 37)]
    public async Task Send_LongChat_GetsTheNewestTurnsThatFit(int count, int historyTokens)
    {
        StartApp(("Memory:HistoryTokens", $"{historyTokens}"));
        var turns = CreateTurns(count);
        var chatId = await App.CreateChatAsync(systemPrompt: SystemPrompt);
        await App.FillAsync(chatId, turns);

        await App.SendAsync(chatId, Question);

        Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(Expect(turns, historyTokens)));
    }

    [Test]
    public async Task Send_ModelWithASmallWindow_GetsNoMoreThanItTakes()
    {
        StartApp(
            ("Models:fast:Candidates:0:ContextWindow", "2048"), ("Models:fast:Candidates:0:MaxOutputTokens", "2000"),
            ("Memory:ReservedForAnswer", "1024"), ("Memory:HistoryTokens", "4000"));
        var turns = CreateTurns(300);
        var chatId = await App.CreateChatAsync(systemPrompt: SystemPrompt);
        await App.FillAsync(chatId, turns);

        await App.SendAsync(chatId, Question);

        var fixedTokens = TokenEstimator.CountMessage(SystemPrompt) + TokenEstimator.CountMessage(Question);
        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(Expect(turns, 2048 - 1024 - fixedTokens)));
            Assert.That(CountTokens(Llm.Requests.Single().Messages), Is.LessThanOrEqualTo(1024));
        });
    }

    [Test]
    public async Task Send_LongAnswerAskedFor_LeavesRoomForIt()
    {
        StartApp(("Models:fast:Candidates:0:ContextWindow", "4096"), ("Models:fast:Candidates:0:MaxOutputTokens", "4000"));
        var turns = CreateTurns(300);
        var chatId = await App.CreateChatAsync();
        await App.FillAsync(chatId, turns);

        await App.PostAsync("/chat", new { chat_id = chatId, user_id = "alice", message = Question, max_tokens = 3500 });

        Assert.Multiple(() =>
        {
            Assert.That(CountTokens(Llm.Requests.Single().Messages), Is.LessThanOrEqualTo(4096 - 3500));
            Assert.That(Llm.Requests.Single().Messages, Has.Count.GreaterThan(1));
            Assert.That(Llm.Requests.Single().Messages[^1].Content, Is.EqualTo(Question));
        });
    }

    [Test]
    public async Task Send_NewestTurnTooLongForTheBudget_GoesAloneRatherThanCut()
    {
        StartApp(("Memory:HistoryTokens", "100"));
        var chatId = await App.CreateChatAsync(systemPrompt: SystemPrompt);
        await App.FillAsync(chatId, [("Short", "Short"), (new string('x', 1000), "Short")]);

        await App.SendAsync(chatId, Question);

        Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new LlmMessage[] { new("system", SystemPrompt), new("user", Question) }));
    }

    [Test]
    public async Task Send_NoHistoryAllowed_SendsTheMessageAlone()
    {
        StartApp(("Memory:HistoryTokens", "0"));
        var chatId = await App.CreateChatAsync();
        await App.SendAsync(chatId, "Before");

        await App.SendAsync(chatId, Question);

        Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[] { new("user", Question) }));
    }

    [Test]
    public async Task Send_EveryMessageOfAGrowingChat_StaysInTheBudgetAndEndsWithItself()
    {
        StartApp(("Memory:HistoryTokens", "200"));
        var chatId = await App.CreateChatAsync();
        var messages = Enumerable.Range(0, 60).Select(i => $"Message {i} " + new string('é', i)).ToList();

        await SendAllAsync(chatId, messages);

        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Select(r => r.Messages[^1]), Is.EqualTo(messages.Select(m => new LlmMessage("user", m))));
            Assert.That(Llm.Requests.Select(r => CountTokens([.. r.Messages.SkipLast(1)])), Is.All.LessThanOrEqualTo(200));
            Assert.That(Llm.Requests.Select(r => r.Messages[0].Role), Is.All.EqualTo("user"));
            Assert.That(Llm.Requests.Select(r => r.Messages.Count % 2), Is.All.EqualTo(1));
        });
    }

    private async Task SendAllAsync(string chatId, IEnumerable<string> messages)
    {
        foreach (var message in messages)
            await App.SendAsync(chatId, message);
    }

    /// <summary>Turns of different lengths, none like another.</summary>
    private static List<(string Message, string Reply)> CreateTurns(int count) =>
        [.. Enumerable.Range(0, count).Select(i => ($"Question {i} {new string('ä', i % 37)}", $"Answer {i} 😀{new string('z', i % 91)}"))];

    /// <summary>The whole prompt, worked out from the newest turn backwards.</summary>
    private static List<LlmMessage> Expect(List<(string Message, string Reply)> turns, int budget)
    {
        var newest = turns.AsEnumerable().Reverse().TakeWhile(t => (budget -= CountTurn(t)) >= 0).Reverse();
        return
        [
            new LlmMessage("system", SystemPrompt),
            .. newest.SelectMany(t => new[] { new LlmMessage("user", t.Message), new LlmMessage("assistant", t.Reply) }),
            new LlmMessage("user", Question),
        ];
    }

    private static int CountTurn((string Message, string Reply) turn) =>
        TokenEstimator.CountMessage(turn.Message) + TokenEstimator.CountMessage(turn.Reply);

    private static int CountTokens(IReadOnlyList<LlmMessage> messages) => messages.Sum(m => TokenEstimator.CountMessage(m.Content));
}
