using System.Text.Json;
using AiChat.Core.Chats;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Runs;

[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class RunRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task StartAsync_FreeChat_StoresTheMessageAndTheEmptyReply()
    {
        var accepted = await Database.Runs.StartAsync(NewRun("run-1", ChatId), None);

        Assert.That(accepted, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null)));
        Assert.That((await GetMessagesAsync()).Select(m => (m.Sequence, m.Id, m.Role, m.Content, m.Status)), Is.EqualTo(new[]
        {
            (1, "run-1-question", MessageRole.User, "Question of run-1?", MessageStatus.Completed),
            (2, "run-1-reply", MessageRole.Assistant, "", MessageStatus.InProgress),
        }));
    }

    [Test]
    public async Task StartAsync_Run_IsStoredWithItsSettings()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Temperature = 0.25, MaxTokens = 77 }, None);

        var run = await GetRunAsync("run-1");
        Assert.Multiple(() =>
        {
            Assert.That((run.ChatId, run.UserId, run.UserMessageId, run.AssistantMessageId), Is.EqualTo((ChatId, Anna, "run-1-question", "run-1-reply")));
            Assert.That((run.UserSequence, run.Alias, run.Temperature, run.MaxTokens), Is.EqualTo((1L, "fast", 0.25, 77L)));
            Assert.That((run.Status, run.CreatedAt, run.StartedAt, run.CompletedAt), Is.EqualTo(("in_progress", Ms(1), (long?)Ms(1), (long?)null)));
        });
    }

    [Test]
    public async Task StartAsync_Message_CountsUpAndMovesTheChatToTheTop()
    {
        await CreateChatAsync("chat-2", updatedAt: 1);

        await Database.Runs.StartAsync(NewRun("run-1", ChatId, at: 5), None);

        var chat = (await Database.Chats.ListAsync(Anna, 10, after: null, None)).Chats[0];
        Assert.That((chat.Id, chat.MessageCount, chat.UpdatedAt), Is.EqualTo((ChatId, 2, At(5))));
    }

    [Test]
    public async Task StartAsync_NewChat_MakesItAndCountsIt()
    {
        var chat = NewChat("chat-2", updatedAt: 3) with { Title = "New" };

        var accepted = await Database.Runs.StartAsync(NewRun("run-1", "chat-2", at: 3) with { NewChat = chat }, None);

        var page = await Database.Chats.ListAsync(Anna, 10, after: null, None);
        Assert.That(accepted, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null)));
        Assert.That(page.Chats[0], Is.EqualTo(chat with { MessageCount = 2 }));
        Assert.That(page.Total, Is.EqualTo(2));
    }

    [TestCase("chat-2", Anna)]
    [TestCase(ChatId, Bob)]
    public async Task StartAsync_ChatThatIsNotTheUsers_SaysSoAndStoresNothing(string chatId, string userId)
    {
        var accepted = await Database.Runs.StartAsync(NewRun("run-1", chatId) with { UserId = userId }, None);

        Assert.That(accepted, Is.EqualTo(new RunAdmission.NoSuchChat()));
        Assert.That(await Database.QuerySingleAsync<int>("select (select count(*) from messages) + (select count(*) from runs)"), Is.Zero);
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.Zero);
    }

    [Test]
    public async Task StartAsync_BusyChat_QueuesTheRunBehindTheFirst()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId), None);

        var accepted = await Database.Runs.StartAsync(NewRun("run-2", ChatId), None);

        var run = await GetRunAsync("run-2");
        Assert.That(accepted, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: "run-1")));
        Assert.That((run.Status, run.StartedAt), Is.EqualTo(("queued", (long?)null)));
    }

    [Test]
    public async Task StartAsync_SameRunTwice_StoresItOnce()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId), None);

        Assert.That(async () => await Database.Runs.StartAsync(NewRun("run-1", ChatId), None), Throws.Exception);

        Assert.That(await GetMessagesAsync(), Has.Count.EqualTo(2));
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.EqualTo(2));
    }

    [Test]
    public async Task StartAsync_ManyAtOnce_GaplessSequencesAndOneQueueInTheirOrder()
    {
        var runs = Enumerable.Range(0, 100).Select(i => NewRun($"run-{i}", ChatId)).ToList();

        var admissions = await Task.WhenAll(runs.Select(run => Database.Runs.StartAsync(run, None)));

        var queue = runs.Zip(admissions.Cast<RunAdmission.Accepted>()).OrderBy(r => r.Second.Place.UserSequence).ToList();
        var finished = new List<string?>();
        foreach (var (run, accepted) in queue)
            finished.Add((await Database.Runs.FinishAsync(Reply(run, accepted.Place.UserSequence), None)).Next?.Id);
        Assert.That(queue.Select(r => r.Second.Place.UserSequence), Is.EqualTo(Enumerable.Range(0, 100).Select(i => (2 * i) + 1)));
        Assert.That(queue.Select(r => r.Second.BusyWith), Is.EqualTo(Enumerable.Repeat(queue[0].First.Id, 99).Prepend(null)));
        Assert.That(finished, Is.EqualTo(queue.Skip(1).Select(r => r.First.Id).Append(null)));
        Assert.That((await GetMessagesAsync()).Select(m => m.Sequence), Is.EqualTo(Enumerable.Range(1, 200)));
    }

    [Test]
    public async Task FinishAsync_Reply_IsStoredWithUsageAndReceipt()
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);

        var finished = await Database.Runs.FinishAsync(Reply(run, 1, "Certainly.") with { Receipt = Failure(run, 1).Receipt }, None);

        var stored = await GetRunAsync("run-1");
        var message = (await GetMessagesAsync())[1];
        Assert.Multiple(() =>
        {
            Assert.That(finished, Is.EqualTo(new FinishedRun(FinishOutcome.Stored, Next: null)));
            Assert.That((message.Content, message.Status, message.Model, message.UpdatedAt), Is.EqualTo(("Certainly.", MessageStatus.Completed, "oss", At(2))));
            Assert.That((stored.Status, stored.Provider, stored.Model, stored.CompletedAt), Is.EqualTo(("completed", "groq", "oss", (long?)Ms(2))));
            Assert.That((stored.InputTokens, stored.OutputTokens, stored.UsageEstimated), Is.EqualTo(((long?)11, (long?)22, (bool?)false)));
            Assert.That((stored.FinishReason, stored.ErrorCode), Is.EqualTo(("stop", (string?)null)));
            Assert.That(JsonDocument.Parse(stored.Receipt!).RootElement.EnumerateObject().Select(p => (p.Name, p.Value.GetInt32())), Is.EqualTo(new[]
            {
                ("budget_tokens", 1), ("prompt_tokens", 2), ("system_tokens", 3), ("source_tokens", 8), ("history_messages", 4), ("first_sequence", 5),
                ("last_sequence", 6), ("dropped_messages", 7),
            }));
        });
    }

    [TestCase("two\r\nlines\ttab \u0001 end")]
    [TestCase("漢字 😀 ' \" ; --")]
    public async Task FinishAsync_AnyText_IsReadBackAsItWas(string text)
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);

        await Database.Runs.FinishAsync(Reply(run, 1, text), None);

        Assert.That((await GetMessagesAsync())[1].Content, Is.EqualTo(text));
    }

    [Test]
    public async Task FinishAsync_Failure_KeepsTheQuestionAndLeavesAnEmptyReply()
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);

        await Database.Runs.FinishAsync(Failure(run, 1), None);

        var stored = await GetRunAsync("run-1");
        Assert.That((await GetMessagesAsync()).Select(m => (m.Content, m.Status, m.Model)), Is.EqualTo(new[]
        {
            ("Question of run-1?", MessageStatus.Completed, null), ("", MessageStatus.Failed, (string?)null),
        }));
        Assert.That((stored.Status, stored.ErrorCode, stored.InputTokens, stored.FinishReason), Is.EqualTo(("failed", "provider_timeout", (long?)null, (string?)null)));
    }

    [TestCase(RunStatus.Cancelled, MessageStatus.Cancelled)]
    [TestCase(RunStatus.Incomplete, MessageStatus.Incomplete)]
    public async Task FinishAsync_OtherEnds_AreStoredInRunAndMessage(RunStatus status, MessageStatus expected)
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);

        await Database.Runs.FinishAsync(Failure(run, 1) with { Status = status }, None);

        Assert.That((await GetMessagesAsync())[1].Status, Is.EqualTo(expected));
    }

    [Test]
    public async Task FinishAsync_End_IsTheChatsLastChange()
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);

        await Database.Runs.FinishAsync(Reply(run, 1, at: 42), None);

        var chat = await Database.Chats.GetAsync(Anna, ChatId, None);
        Assert.That((chat!.UpdatedAt, chat.MessageCount), Is.EqualTo((At(42), 2)));
    }

    [Test]
    public async Task FinishAsync_RunsWait_BeginsThemOneByOneInOrderOfArrival()
    {
        // Ids against the order of arrival: only the sequence may decide.
        NewRun[] runs = [NewRun("run-c", ChatId), NewRun("run-b", ChatId), NewRun("run-a", ChatId)];
        foreach (var run in runs)
            await Database.Runs.StartAsync(run, None);

        var first = await Database.Runs.FinishAsync(Reply(runs[0], 1, at: 10), None);
        var begun = await GetRunAsync("run-b");
        var second = await Database.Runs.FinishAsync(Failure(runs[1], 3), None);
        var third = await Database.Runs.FinishAsync(Reply(runs[2], 5), None);
        var next = await Database.Runs.StartAsync(NewRun("run-d", ChatId), None);

        Assert.That((first.Next, second.Next, third.Next), Is.EqualTo(((NextRun?)new NextRun("run-b", 1), (NextRun?)new NextRun("run-a", 1), (NextRun?)null)));
        Assert.That((begun.Status, begun.StartedAt), Is.EqualTo(("in_progress", (long?)Ms(10))));
        Assert.That(next, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(7, 8), BusyWith: null)));
    }

    [Test]
    public async Task FinishAsync_QueuesOfOtherChats_AreLeftAlone()
    {
        await CreateChatAsync("chat-2");
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);
        await Database.Runs.StartAsync(NewRun("run-2", "chat-2"), None);
        await Database.Runs.StartAsync(NewRun("run-3", "chat-2"), None);

        var finished = await Database.Runs.FinishAsync(Reply(run, 1), None);

        Assert.That((finished.Next, (await GetRunAsync("run-3")).Status), Is.EqualTo(((NextRun?)null, "queued")));
    }

    [Test]
    public async Task FinishAsync_Twice_ChangesNothing()
    {
        NewRun[] runs = [NewRun("run-1", ChatId), NewRun("run-2", ChatId), NewRun("run-3", ChatId)];
        foreach (var run in runs)
            await Database.Runs.StartAsync(run, None);
        await Database.Runs.FinishAsync(Reply(runs[0], 1, "First.", at: 10), None);

        var again = await Database.Runs.FinishAsync(Reply(runs[0], 1, "Second.", at: 20), None);

        Assert.That(again, Is.EqualTo(new FinishedRun(FinishOutcome.Stored, Next: null)));
        Assert.That((await GetMessagesAsync())[1].Content, Is.EqualTo("First."));
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.UpdatedAt, Is.EqualTo(At(10)));
        Assert.That(((await GetRunAsync("run-2")).Status, (await GetRunAsync("run-3")).Status), Is.EqualTo(("in_progress", "queued")));
    }

    [Test]
    public async Task FinishAsync_ChatDeletedMeanwhile_SaysSoAndStoresNothing()
    {
        var run = NewRun("run-1", ChatId);
        await Database.Runs.StartAsync(run, None);
        await Database.Runs.StartAsync(NewRun("run-2", ChatId), None);
        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        var finished = await Database.Runs.FinishAsync(Reply(run, 1), None);

        Assert.That(finished, Is.EqualTo(new FinishedRun(FinishOutcome.ChatDeleted, Next: null)));
        Assert.That(await Database.QuerySingleAsync<int>("select (select count(*) from messages) + (select count(*) from runs)"), Is.Zero);
    }

    [Test]
    public async Task SettleUnfinishedAsync_AfterACrash_EndsEveryOpenRunAndFreesItsChat()
    {
        await CreateChatAsync("chat-2");
        await AddTurnAsync("chat-2");
        await Database.Runs.StartAsync(NewRun("run-1", ChatId), None);
        await Database.Runs.StartAsync(NewRun("run-2", ChatId), None);
        await Database.Runs.StartAsync(NewRun("run-3", "chat-2"), None);
        Database.Restart();

        var settled = await Database.SettleUnfinishedAsync(At(60));

        var next = await Database.Runs.StartAsync(NewRun("run-4", ChatId), None);
        var run = await GetRunAsync("run-2");
        Assert.Multiple(async () =>
        {
            Assert.That(settled, Is.EqualTo(3));
            Assert.That((run.Status, run.ErrorCode, run.CompletedAt), Is.EqualTo(("incomplete", "run_interrupted", (long?)Ms(60))));
            Assert.That(next, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(5, 6), BusyWith: null)));
            Assert.That((await GetMessagesAsync()).Select(m => (m.Sequence, m.Status)), Is.EqualTo(new[]
            {
                (1, MessageStatus.Completed), (2, MessageStatus.Incomplete), (3, MessageStatus.Completed), (4, MessageStatus.Incomplete),
                (5, MessageStatus.Completed), (6, MessageStatus.InProgress),
            }));
            Assert.That((await GetMessagesAsync("chat-2")).Select(m => (m.Status, m.UpdatedAt)), Is.EqualTo(new[]
            {
                (MessageStatus.Completed, At(1)), (MessageStatus.Completed, At(2)), (MessageStatus.Completed, At(1)), (MessageStatus.Incomplete, At(60)),
            }));
        });
    }

    [Test]
    public async Task SettleUnfinishedAsync_NothingOpen_ChangesNothing()
    {
        await AddTurnAsync(ChatId);

        var settled = await Database.SettleUnfinishedAsync(At(60));

        Assert.That((settled, (await GetMessagesAsync())[1].UpdatedAt), Is.EqualTo((0, At(2))));
    }

    private static long Ms(int seconds) => At(seconds).ToUnixTimeMilliseconds();

    private async Task<IReadOnlyList<Message>> GetMessagesAsync(string chatId = ChatId) =>
        (await Database.Messages.GetPageAsync(Anna, chatId, default, 1000, None))!.Messages;

    private Task<RunRow> GetRunAsync(string id) => Database.QuerySingleAsync<RunRow>("select * from runs where id = @Id", new { Id = id });

    /// <summary>A run as it lies in the database.</summary>
    private sealed record RunRow
    {
        public string? ChatId { get; init; }
        public string? UserId { get; init; }
        public string? UserMessageId { get; init; }
        public string? AssistantMessageId { get; init; }
        public long UserSequence { get; init; }
        public string? Alias { get; init; }
        public double Temperature { get; init; }
        public long MaxTokens { get; init; }
        public string? Status { get; init; }
        public string? Provider { get; init; }
        public string? Model { get; init; }
        public long? InputTokens { get; init; }
        public long? OutputTokens { get; init; }
        public bool? UsageEstimated { get; init; }
        public string? FinishReason { get; init; }
        public string? ErrorCode { get; init; }
        public string? Receipt { get; init; }
        public long CreatedAt { get; init; }
        public long? StartedAt { get; init; }
        public long? CompletedAt { get; init; }
    }
}
