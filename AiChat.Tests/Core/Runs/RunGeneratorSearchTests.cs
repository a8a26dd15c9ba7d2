using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>Replies that the web is searched for.</summary>
public sealed class RunGeneratorSearchTests : RunTestBase
{
    private const string Page = "The Colosseum opens at half past eight in the morning.";

    [SetUp]
    public void SetUp()
    {
        Engine.Setup(e => e.MissingSetting).Returns((string?)null);
        Finds(new SearchResult(new Uri("https://rome.example/"), "Rome", "Opening hours"));
        Pages.Setup(p => p.ReadAsync(It.IsAny<Uri>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((Uri url, CancellationToken _) => new WebPage(url, "Colosseum", Page));
    }

    [Test]
    public async Task StartAsync_WebSearch_PutsTheSourcesBeforeTheModelAndIntoTheReply()
    {
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("At half past eight [1]."));
        });

        var run = await Service.StartAsync(Send("When does the Colosseum open?") with { WebSearch = true }, None);

        var source = new Source { Number = 1, Url = "https://rome.example/", Title = "Colosseum", Excerpt = Page };
        var result = await InTime(run!.WaitAsync(None));
        var events = await run.FollowAsync(after: 0, None).Select(LogReader.Show).ToListAsync();
        Assert.Multiple(() =>
        {
            Assert.That(sent!.Select(m => m.Role.Value), Is.EqualTo(new[] { "system", "user" }));
            Assert.That(sent![0].Text, Is.EqualTo(SourcePrompt.Rule));
            Assert.That(sent[1].Text, Is.EqualTo(SourcePrompt.Fence([source]) + "\n\nWhen does the Colosseum open?"));
            Assert.That(events, Is.EqualTo(new[] { "1 started 1", "2 source 0 1", "25 delta 0 'At half past eight [1].'", "26 ended Completed" }));
            Assert.That((result.Sources.Single(), result.Receipt!.SourceTokens > 0), Is.EqualTo((source, true)));
        });
        Engine.Verify(e => e.SearchAsync("When does the Colosseum open?", It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Once);
    }

    [Test]
    public async Task StartAsync_NoWebSearch_AsksNoEngine()
    {
        var run = await Service.StartAsync(Send(), None);

        await InTime(run!.WaitAsync(None));
        Engine.Verify(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Never);
    }

    [Test]
    public async Task StartAsync_NothingFound_TellsTheModelSo()
    {
        Finds();
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("I found nothing."));
        });

        var run = await Service.StartAsync(Send() with { WebSearch = true }, None);

        Assert.That((await InTime(run!.WaitAsync(None))).Sources, Is.Empty);
        Assert.That(sent![0].Text, Is.EqualTo(SourcePrompt.NothingFoundRule));
    }

    [Test]
    public async Task StartAsync_NoRoomForAPassage_PaysNobodyForAQuery()
    {
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns(new[] { new HistoryMessage { Sequence = 1, Role = MessageRole.User, Content = "Rome?" } }.ToAsyncEnumerable());

        var run = await Service.StartAsync(Send(new string('x', 3 * 950)) with { WebSearch = true }, None);

        Assert.That(Assert.ThrowsAsync<RunFailedException>(() => InTime(run!.WaitAsync(None))).Code, Is.EqualTo("web_search_failed"));
        Model.VerifyNoOtherCalls();
    }

    /// <summary>It was accepted. The history is read twice, for the query and for the prompt; the wording of the query is paid for once.</summary>
    [TestCase(1)]
    [TestCase(2)]
    public async Task StartAsync_HistoryCannotBeReadForAWhile_SearchesAfterwardsAndWordsTheQueryOnce(int failing)
    {
        HasHistoryThatFails(failing);
        var asked = new List<string>();
        Answers((messages, _) =>
        {
            asked.Add(messages[0].Text == SourcePrompt.Rule ? "reply" : "query");
            return Task.FromResult(Reply("Colosseum opening hours"));
        });

        var run = await Service.StartAsync(Send("When does it open?") with { WebSearch = true }, None);
        await RunClockUntilAsync(run!.Completion);

        var result = await run.Completion;
        Assert.That((result.Status, result.Sources.Count), Is.EqualTo((RunStatus.Completed, 1)));
        Engine.Verify(e => e.SearchAsync("Colosseum opening hours", It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Once);
        Assert.That(asked, Is.EqualTo(new[] { "query", "reply" }));
    }

    [Test]
    public async Task StartAsync_HistoryCannotBeRead_FailsWithTheMessageStored()
    {
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: null));
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, 3, It.IsAny<CancellationToken>())).Throws(UnavailableException.ForDatabase(new IOException()));

        var run = await Service.StartAsync(Send() with { WebSearch = true }, None);
        await RunClockUntilAsync(run!.Completion, TimeSpan.FromSeconds(1));

        var result = await run.Completion;
        Assert.That((result.Status, result.Error), Is.EqualTo((RunStatus.Failed, RunError.ForDatabase())));
        Model.VerifyNoOtherCalls();
    }

    [Test]
    public async Task StartAsync_EngineFails_FailsTheRunWithoutAskingTheModel()
    {
        Engine.Setup(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .ThrowsAsync(new WebSearchException("The search engine cannot be reached. Try again later."));

        var run = await Service.StartAsync(Send() with { WebSearch = true }, None);

        var failure = Assert.ThrowsAsync<RunFailedException>(() => InTime(run!.WaitAsync(None)));
        Assert.That((failure.Code, failure.Message), Is.EqualTo(("web_search_failed", "The search engine cannot be reached. Try again later.")));
        Model.VerifyNoOtherCalls();
    }

    [Test]
    public async Task StartAsync_CancelledWhileTheEngineIsAsked_IsCancelled()
    {
        var asked = new TaskCompletionSource();
        Engine.Setup(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns(async (string _, int _, CancellationToken ct) =>
            {
                asked.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, ct);
                return [];
            });
        HasRun(NewStored(RunStatus.Cancelled));

        var run = await Service.StartAsync(Send() with { WebSearch = true }, None);
        await InTime(asked.Task);
        Executor.Find(run!.RunId)!.Stop(RunStopReason.Cancelled);

        Assert.That((await InTime(run.Completion)).Status, Is.EqualTo(RunStatus.Cancelled));
    }

    /// <summary>What an earlier process has found was shown, and the text it wrote refers to it.</summary>
    [Test]
    public async Task GenerateAsync_RunThatGoesOnAfterARestart_KeepsItsSourcesAndSearchesNoMore()
    {
        var source = new Source { Number = 1, Url = "https://rome.example/", Title = "Rome", Excerpt = "Old." };
        var stored = NewStored(RunStatus.InProgress, "At half", lastSequence: null, attempt: 2) with { WebSearch = true };
        var alias = Registry.Get("fast");
        RunMark[] marks = [new SourceFound(2, 0, source), new RunContinued(RunLog.CrashGap, 7, 2)];
        var log = RunLog.Restore(stored.ToStarted("groq", "oss-20b"), Time, "At half", marks, result: null);
        var run = new ActiveRun(stored.ToNewRun(UserId, new RunQuestion("When?", null)), null, alias, log, Time);
        run.Accept(new RunPlace(1, 2), leaseNumber: 1);
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply(" past eight [1]."));
        });

        var result = await Generator.GenerateAsync(run);

        Assert.That((result.Reply, result.Sources.Single()), Is.EqualTo(("At half past eight [1].", source)));
        Assert.That(sent!.Select(m => m.Text), Is.EqualTo(new[] { SourcePrompt.Rule, SourcePrompt.Fence([source]) + "\n\nWhen?", "At half" }));
        Engine.Verify(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Never);
    }

    /// <summary>Nothing was found, and the text that was shown says so.</summary>
    [Test]
    public async Task GenerateAsync_RunThatGoesOnBehindTextWithoutSources_SearchesNoMore()
    {
        var stored = NewStored(RunStatus.InProgress, "I found", lastSequence: null, attempt: 2) with { WebSearch = true };
        var log = RunLog.Restore(
            stored.ToStarted("groq", "oss-20b"), Time, "I found", [new RunContinued(RunLog.CrashGap, 7, 2)], result: null);
        var run = new ActiveRun(stored.ToNewRun(UserId, new RunQuestion("When?", null)), null, Registry.Get("fast"), log, Time);
        run.Accept(new RunPlace(1, 2), leaseNumber: 1);
        Answers((_, _) => Task.FromResult(Reply(" nothing.")));

        var result = await Generator.GenerateAsync(run);

        Assert.That((result.Reply, result.Sources), Is.EqualTo(("I found nothing.", Array.Empty<Source>())));
        Engine.Verify(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Never);
    }

    /// <summary>Earlier messages that the database gives each time but the n-th.</summary>
    private void HasHistoryThatFails(int failing)
    {
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: null));
        var reads = 0;
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, 3, It.IsAny<CancellationToken>())).Returns(() => ++reads == failing
            ? throw UnavailableException.ForDatabase(new IOException())
            : new[] { new HistoryMessage { Sequence = 1, Role = MessageRole.User, Content = "The Colosseum?" } }.ToAsyncEnumerable());
    }

    private void Finds(params SearchResult[] results) => Engine
        .Setup(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
        .ReturnsAsync(results);
}
