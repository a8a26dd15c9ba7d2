using AiChat.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Chats;

/// <summary>Chats without a title get one, whatever comes of it the send does not notice.</summary>
public sealed class TitleTests : ApiTestBase
{
    private const string TitleInstruction = "Give the conversation a title";

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private static readonly (string, string) On = ("Titles:Enabled", "true");

    [Test]
    public async Task Send_FirstReply_NamesTheChat()
    {
        Titles(LlmReplies.Answer("\"A day in Rome.\"", inputTokens: 80, outputTokens: 6));
        StartApp(On, ("Models:fast:Candidates:0:InputPrice", "0.1"), ("Models:fast:Candidates:0:OutputPrice", "0.5"));

        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "What should I see in Rome?" });

        Assert.That(await WaitForTitleAsync(sent.Json.Text("chat_id")!), Is.EqualTo("A day in Rome"));
        var request = Llm.Requests.Single(IsForTitle);
        Assert.Multiple(() =>
        {
            Assert.That(request.LastUserMessage, Is.EqualTo("User: What should I see in Rome?\n\nAssistant: echo: What should I see in Rome?"));
            Assert.That(request.Json.Number("max_completion_tokens"), Is.EqualTo(256));
        });
        var entry = (await ReadLedgerAsync()).Single();
        Assert.That((entry.ChatId, entry.InputTokens, entry.OutputTokens, entry.Cost), Is.EqualTo((sent.Json.Text("chat_id"), 80, 6, 11_000_000L)));
        Assert.That(entry.RunId, Is.Not.EqualTo(sent.Json.Text("run_id")));
    }

    [Test]
    public async Task Send_SecondMessage_AsksForNoSecondTitle()
    {
        Titles(LlmReplies.Answer("A day in Rome"));
        StartApp(On);
        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Rome?" });
        var chatId = sent.Json.Text("chat_id")!;
        await WaitForTitleAsync(chatId);
        await App.PatchAsync($"/chats/{chatId}?user_id=alice", new { title = default(string) });

        await App.SendAsync(chatId, "Athens?");
        var other = await App.PostAsync("/chat", new { user_id = "alice", message = "Paris?" });
        await WaitForTitleAsync(other.Json.Text("chat_id")!);

        Assert.That(Llm.Requests.Where(IsForTitle).Select(r => r.LastUserMessage), Has.Exactly(2).Items.And.None.Contains("Athens"));
        Assert.That((await App.GetAsync($"/chats/{chatId}?user_id=alice")).Json.IsNull("title"), Is.True);
    }

    [Test]
    public async Task Send_TitleHangs_TheReplyDoesNotWait()
    {
        Titles(LlmReplies.Slow(LlmReplies.Answer("At last")));
        StartApp(On);

        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Rome?" });
        await Llm.WaitForRequestsAsync(2);
        var before = await App.GetAsync($"/chats/{sent.Json.Text("chat_id")}?user_id=alice");
        Llm.Release();
        await WaitForTitleAsync(sent.Json.Text("chat_id")!);

        var after = await App.GetAsync($"/chats/{sent.Json.Text("chat_id")}?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That((sent.Status, sent.Json.Text("reply")), Is.EqualTo((200, "echo: Rome?")));
            Assert.That((before.Json.IsNull("title"), after.Json.Text("title")), Is.EqualTo((true, "At last")));
            Assert.That(after.Json.Text("updated_at"), Is.EqualTo(before.Json.Text("updated_at")));
        });
    }

    [Test]
    public async Task Delete_WhileTheTitleIsWritten_LeavesTheAccountAlone()
    {
        Titles(LlmReplies.Slow(LlmReplies.Answer("Too late")));
        StartApp(On);
        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Rome?" });
        await Llm.WaitForRequestsAsync(2);

        var deleted = await App.DeleteAsync($"/chats/{sent.Json.Text("chat_id")}?user_id=alice");
        Llm.Release();

        var entries = await WaitForLedgerAsync();
        Assert.That((deleted.Status, entries.Single().ChatId), Is.EqualTo((204, sent.Json.Text("chat_id"))));
    }

    [Test]
    public async Task Stop_WhileTheTitleIsWritten_HangsUp()
    {
        Titles(LlmReplies.Slow());
        await using (var app = AiChatApplication.Start(
            [("GROQ_API_KEY", AiChatApplication.GroqKey), ("Providers:groq:BaseUrl", Llm.BaseUrl), On]))
        {
            await app.PostAsync("/chat", new { message = "Rome?" });
            await Llm.WaitForRequestsAsync(2);
        }

        await Llm.WaitForAbortsAsync(1);
        Assert.That(Llm.Requests.Count(IsForTitle), Is.EqualTo(1));
    }

    [Test]
    public async Task Send_Offline_TheTitleIsTheBeginningOfTheMessage()
    {
        StartOfflineApp(On);

        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "What should I see in Rome\nif I have a single day, and no money at all?" });

        Assert.That(await WaitForTitleAsync(sent.Json.Text("chat_id")!), Is.EqualTo("What should I see in Rome if I have a single day, and no"));
        Assert.That(await ReadLedgerAsync(), Is.Empty);
    }

    private static bool IsForTitle(LlmRequest request) => request.Messages[0].Content.StartsWith(TitleInstruction, StringComparison.Ordinal);

    /// <summary>How the model answers when it is asked for a title; to messages it answers as usual.</summary>
    private void Titles(LlmReply reply)
    {
        var usual = Llm.Handler;
        Llm.Handler = request => IsForTitle(request) ? reply : usual(request);
    }

    private async Task<string> WaitForTitleAsync(string chatId)
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        while (true)
        {
            timeout.Token.ThrowIfCancellationRequested();
            if ((await App.GetAsync($"/chats/{chatId}?user_id=alice")).Json.Text("title") is { } title)
                return title;
        }
    }

    private async Task<IReadOnlyList<TitleEntry>> WaitForLedgerAsync()
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        while (true)
        {
            timeout.Token.ThrowIfCancellationRequested();
            if (await ReadLedgerAsync() is { Count: > 0 } entries)
                return entries;
        }
    }

    private Task<IReadOnlyList<TitleEntry>> ReadLedgerAsync() => App.Services.GetRequiredService<IDatabase>().ReadAsync<IReadOnlyList<TitleEntry>>(
        async connection => (await connection.QueryAsync<TitleEntry>(
            "select run_id, chat_id, input_tokens, output_tokens, cost from attempts where purpose = 'title'")).AsList(),
        CancellationToken.None);

    private sealed record TitleEntry
    {
        public required string RunId { get; init; }

        public required string ChatId { get; init; }

        public required int InputTokens { get; init; }

        public required int OutputTokens { get; init; }

        public long? Cost { get; init; }
    }
}
