using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunGeneratorTests : RunTestBase
{
    [Test]
    public async Task GenerateAsync_ProviderFailsInTheMiddle_KeepsTheTextAsIncomplete()
    {
        Log.Expect("failed: groq");
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send("123"), None);

        model.TryWrite("Once upon");
        model.Complete(new ProviderException("groq", ProviderError.Unavailable, "vendor text"));

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code, result.FinishReason), Is.EqualTo(
            (RunStatus.Incomplete, "Once upon", "provider_unavailable", (string?)null)));
    }

    [Test]
    public async Task GenerateAsync_ProviderFailsInTheMiddle_EstimatesTheUsage()
    {
        Log.Expect("failed: groq");
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send("123"), None);

        model.TryWrite("123456");
        model.Complete(new ProviderException("groq", ProviderError.Unavailable, ""));

        Assert.That((await InTime(run!.Completion)).Usage, Is.EqualTo(new TokenUsage(5, 2, IsEstimated: true)));
    }

    [Test]
    public async Task GenerateAsync_DefectInTheMiddle_KeepsTheTextAsIncomplete()
    {
        Log.Expect("failed because of a defect");
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);

        model.TryWrite("Once upon");
        model.Complete(new InvalidOperationException());

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code), Is.EqualTo((RunStatus.Incomplete, "Once upon", "internal_error")));
    }

    [Test]
    public async Task GenerateAsync_CancelledInTheMiddle_KeepsTheText()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send("123"), None);
        model.TryWrite("Once upon");

        Executor.Find(run!.RunId)!.Stop(RunStopReason.Cancelled);

        var result = await InTime(run.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code, result.Usage), Is.EqualTo(
            (RunStatus.Cancelled, "Once upon", "run_cancelled", (TokenUsage?)new TokenUsage(5, 3, IsEstimated: true))));
    }

    [Test]
    public async Task GenerateAsync_CancelledBeforeAnyText_IsCancelledWithoutText()
    {
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Executor.Find(run!.RunId)!.Stop(RunStopReason.Cancelled);

        var result = await InTime(run.Completion);
        Assert.That((result.Status, result.Reply, result.FirstTokenAt), Is.EqualTo((RunStatus.Cancelled, "", (DateTimeOffset?)null)));
    }

    /// <summary>What a person stopped says nothing about the provider.</summary>
    [Test]
    public async Task GenerateAsync_Cancelled_LeavesTheProvidersReputationAlone()
    {
        var candidate = Registry.Get("fast").Active;
        await candidate.Circuit.ReportAsync(new ProviderException("groq", ProviderError.RateLimited, ""));
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Executor.Find(run!.RunId)!.Stop(RunStopReason.Cancelled);

        await InTime(run.Completion);
        Assert.That(candidate.Health.LastError, Is.EqualTo(ProviderError.RateLimited));
    }

    [Test]
    public async Task GenerateAsync_TakesLongerThanAllowed_KeepsTheTextAsIncomplete()
    {
        Log.Expect("it took longer than Runs:MaxDuration");
        Settings.MaxDuration = TimeSpan.FromMinutes(2);
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");

        Time.Advance(TimeSpan.FromMinutes(2));

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code), Is.EqualTo((RunStatus.Incomplete, "Once upon", "run_timeout")));
    }

    [Test]
    public async Task GenerateAsync_TakesLongerThanAllowedWithoutText_IsAFailure()
    {
        Log.Expect("it took longer than Runs:MaxDuration");
        Settings.MaxDuration = TimeSpan.FromMinutes(2);
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Time.Advance(TimeSpan.FromMinutes(2));

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Failed, "run_timeout")));
    }

    [Test]
    public async Task GenerateAsync_JustWithinTheAllowedTime_IsWaitedFor()
    {
        Settings.MaxDuration = TimeSpan.FromMinutes(2);
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        Time.Advance(TimeSpan.FromMinutes(2) - TimeSpan.FromMilliseconds(1));

        model.TryWrite("Once upon");
        model.Complete();

        Assert.That((await InTime(run!.Completion)).Status, Is.EqualTo(RunStatus.Completed));
    }

    /// <summary>The queue is not the reply.</summary>
    [Test]
    public async Task GenerateAsync_RunWaitedForItsTurn_HasTheWholeTimeFromThenOn()
    {
        Settings.MaxDuration = TimeSpan.FromMinutes(2);
        var model = StreamsWhatIsWritten();
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: "another run"));
        var run = await Service.StartAsync(Send(), None);
        Time.Advance(TimeSpan.FromMinutes(5));

        Executor.Begin(Executor.Find(run!.RunId)!);
        model.TryWrite("Once upon");
        model.Complete();

        Assert.That((await InTime(run.Completion)).Status, Is.EqualTo(RunStatus.Completed));
    }

    [Test]
    public async Task GenerateAsync_ServerEnds_KeepsTheTextAsIncomplete()
    {
        Log.Expect("was stopped by the shutdown");
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");

        Lifetime.StopApplication();
        Time.Advance(Settings.ShutdownTimeout);

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code), Is.EqualTo((RunStatus.Incomplete, "Once upon", "run_interrupted")));
    }

    /// <summary>Half a character is shown as soon as no other half can come.</summary>
    [Test]
    public async Task GenerateAsync_ProviderFailsAfterHalfACharacter_IsIncompleteBecauseThereIsText()
    {
        Log.Expect("failed: groq");
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);

        model.TryWrite("\ud83d");
        model.Complete(new ProviderException("groq", ProviderError.Unavailable, ""));

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply), Is.EqualTo((RunStatus.Incomplete, "\ufffd")));
    }

    [TestCase("1234567", "123456")]
    [TestCase("12345é", "12345")]
    [TestCase("123😀", "123")]
    [TestCase("漢字漢", "漢字")]
    public async Task GenerateAsync_ReplyLongerThanAllowed_IsCutAtAWholeCharacter(string text, string expected)
    {
        Log.Expect("it is longer than Runs:MaxReplyTokens, 2");
        Settings.MaxReplyTokens = 2;
        Answers((_, _) => Task.FromResult(Reply(text)));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Status, result.Reply, result.FinishReason), Is.EqualTo((RunStatus.Completed, expected, "length")));
    }

    [Test]
    public async Task GenerateAsync_ReplyJustAsLongAsAllowed_IsNotCut()
    {
        Settings.MaxReplyTokens = 2;
        Answers((_, _) => Task.FromResult(Reply("123456")));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Reply, result.FinishReason), Is.EqualTo(("123456", "stop")));
    }

    [Test]
    public async Task GenerateAsync_ReplyGrowsLongerThanAllowed_IsNotReadAnyFurther()
    {
        Log.Expect("it is longer than Runs:MaxReplyTokens, 2");
        Settings.MaxReplyTokens = 2;
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);

        model.TryWrite("1234");
        model.TryWrite("5678");

        // The model has not ended its reply.
        Assert.That((await InTime(run!.Completion)).Reply, Is.EqualTo("123456"));
    }

    [Test]
    public async Task GenerateAsync_ReplyIsCut_EstimatesTheUsage()
    {
        Log.Expect("it is longer than Runs:MaxReplyTokens, 2");
        Settings.MaxReplyTokens = 2;
        Streams((_, _) => new[] { NewUpdate("1234567"), new ChatResponseUpdate(ChatRole.Assistant, [Usage(11, 22)]) }.ToAsyncEnumerable());

        var result = await InTime(SendAsync(Send("123"), None));

        Assert.That(result!.Usage, Is.EqualTo(new TokenUsage(5, 3, IsEstimated: true)));
    }

    [Test]
    public async Task GenerateAsync_UsageComesBehindTheText_IsKept()
    {
        Streams((_, _) => new[] { NewUpdate("Hello!"), new ChatResponseUpdate(ChatRole.Assistant, [Usage(11, 22)]) }.ToAsyncEnumerable());

        var result = await InTime(SendAsync(Send(), None));

        Assert.That(result!.Usage, Is.EqualTo(new TokenUsage(11, 22)));
    }

    [Test]
    public async Task GenerateAsync_ReplyOfNoTextButUsage_IsAFailureThatKeepsTheUsage()
    {
        Log.Expect("The reply has no text.");
        Streams((_, _) => new[] { new ChatResponseUpdate(ChatRole.Assistant, [Usage(11, 22)]) }.ToAsyncEnumerable());
        var run = await Service.StartAsync(Send(), None);

        var result = await InTime(run!.Completion);

        Assert.That((result.Status, result.Usage), Is.EqualTo((RunStatus.Failed, (TokenUsage?)new TokenUsage(11, 22))));
    }

    [Test]
    public async Task GenerateAsync_ModelPauses_ShowsWhatHasComeBeforeItWaits()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        await using var reader = new LogReader(Executor.Find(run!.RunId)!.Log);
        await reader.TakeReadyAsync();

        model.TryWrite("Once");
        var first = await reader.ShowReadyAsync();
        model.TryWrite(" upon");
        var second = await reader.ShowReadyAsync();

        Assert.That((first, second), Is.EqualTo((new[] { "5 delta 0 'Once'" }, new[] { "10 delta 4 ' upon'" })));
        model.Complete();
        await InTime(run.Completion);
    }

    [Test]
    public async Task GenerateAsync_PiecesComeWithoutAPause_AreShownTogether()
    {
        var start = new TaskCompletionSource();
        Streams(PiecesAsync);
        var run = await Service.StartAsync(Send(), None);
        await using var reader = new LogReader(Executor.Find(run!.RunId)!.Log);
        await reader.TakeReadyAsync();

        start.SetResult();

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "10 delta 0 'Once upon'", "11 ended Completed" }));

        async IAsyncEnumerable<ChatResponseUpdate> PiecesAsync(IReadOnlyList<ChatMessage> messages, [EnumeratorCancellation] CancellationToken ct)
        {
            await start.Task.WaitAsync(ct);
            yield return NewUpdate("Once");
            yield return NewUpdate(" upon");
        }
    }

    [Test]
    public async Task GenerateAsync_FirstText_IsWhenItCame()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);

        Time.Advance(TimeSpan.FromSeconds(3));
        var firstTokenAt = Time.GetUtcNow();
        model.TryWrite("");
        model.TryWrite("Once");
        Time.Advance(TimeSpan.FromSeconds(4));
        model.TryWrite(" upon");
        model.Complete();

        var result = await InTime(run!.Completion);
        Assert.That((result.FirstTokenAt, result.CompletedAt), Is.EqualTo(((DateTimeOffset?)firstTokenAt, Time.GetUtcNow())));
    }

    [Test]
    public async Task GenerateAsync_EmptyPieces_AreNotTheFirstText()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite("");
        Time.Advance(TimeSpan.FromSeconds(3));

        model.TryWrite("Once");
        model.Complete();

        Assert.That((await InTime(run!.Completion)).FirstTokenAt, Is.EqualTo(Time.GetUtcNow()));
    }

    [TestCase(77, 77)]
    [TestCase(100, 100)]
    [TestCase(101, 100)]
    [TestCase(null, null)]
    public async Task GenerateAsync_MaxTokens_IsNoMoreThanAllowed(int? asked, int? expected)
    {
        Settings.MaxReplyTokens = 100;

        await InTime(SendAsync(Send() with { MaxTokens = asked }, None));

        Model.Verify(c => c.GetStreamingResponseAsync(
            It.IsAny<IEnumerable<ChatMessage>>(), It.Is<ChatOptions>(o => o.MaxOutputTokens == expected), It.IsAny<CancellationToken>()));
    }

    [Test]
    public async Task GenerateAsync_TextOfAnEarlierProcess_IsSentAsTheBeginningOfTheReply()
    {
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply(" a time"));
        });

        var result = await Generator.GenerateAsync(NewContinued("Once upon"));

        Assert.That(sent!.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "user: Tell!", "assistant: Once upon" }));
        Assert.That((result.Status, result.Reply), Is.EqualTo((RunStatus.Completed, "Once upon a time")));
    }

    [Test]
    public async Task GenerateAsync_NoTextOfAnEarlierProcess_SendsNoEmptyMessage()
    {
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("Once upon"));
        });

        await Generator.GenerateAsync(NewContinued(""));

        Assert.That(sent!.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "user: Tell!" }));
    }

    [Test]
    public async Task GenerateAsync_TextOfAnEarlierProcess_TakesItsPlaceInTheBudget()
    {
        // 2048 tokens, 1024 for the answer: 1024 less 6 for the question, less 704 for the text leaves room for one turn of 204 and 104.
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, 9, It.IsAny<CancellationToken>())).Returns(new[]
        {
            new HistoryMessage { Sequence = 4, Role = MessageRole.Assistant, Content = new string('d', 300) },
            new HistoryMessage { Sequence = 3, Role = MessageRole.User, Content = new string('c', 600) },
            new HistoryMessage { Sequence = 2, Role = MessageRole.Assistant, Content = new string('b', 300) },
            new HistoryMessage { Sequence = 1, Role = MessageRole.User, Content = new string('a', 600) },
        }.ToAsyncEnumerable());
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("!"));
        });

        await Generator.GenerateAsync(NewContinued(new string('x', 2100), new RunPlace(9, 10)));

        Assert.That(sent!.Select(m => m.Text[0]), Is.EqualTo(new[] { 'c', 'd', 'T', 'x' }));
    }

    [Test]
    public async Task GenerateAsync_TextOfAnEarlierProcess_CountsTowardsTheLongestReply()
    {
        Log.Expect("it is longer than Runs:MaxReplyTokens, 2");
        Settings.MaxReplyTokens = 2;
        Answers((_, _) => Task.FromResult(Reply("5678")));

        var result = await Generator.GenerateAsync(NewContinued("1234"));

        Assert.That((result.Reply, result.FinishReason), Is.EqualTo(("123456", "length")));
    }

    [Test]
    public async Task GenerateAsync_ProviderFailsAfterARestart_KeepsTheTextOfTheEarlierProcess()
    {
        Log.Expect("failed: groq");
        Answers((_, _) => throw new ProviderException("groq", ProviderError.Unavailable, ""));

        var result = await Generator.GenerateAsync(NewContinued("Once upon"));

        Assert.That((result.Status, result.Reply), Is.EqualTo((RunStatus.Incomplete, "Once upon")));
    }

    [Test]
    public async Task GenerateAsync_HistoryCannotBeReadAfterARestart_KeepsTheTextOfTheEarlierProcess()
    {
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, 9, It.IsAny<CancellationToken>())).Throws(UnavailableException.ForDatabase(new IOException()));

        var generating = Generator.GenerateAsync(NewContinued("Once upon", new RunPlace(9, 10)));
        var isPatient = !generating.IsCompleted;
        Time.Advance(TimeSpan.FromSeconds(31));
        var result = await InTime(generating);

        Assert.That(isPatient, Is.True);
        Assert.That((result.Status, result.Reply, result.Error!.Code), Is.EqualTo((RunStatus.Incomplete, "Once upon", "database_unavailable")));
    }

    [Test]
    public async Task GenerateAsync_End_IsRightBehindTheText()
    {
        Answers((_, _) => Task.FromResult(Reply("Hello!")));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That(result!.LastSequence, Is.EqualTo(8));
    }

    [TestCase("Hello", true)]
    [TestCase("", false)]
    public async Task GenerateAsync_SomeTextWasFlushed_SaysSo(string prefix, bool expected)
    {
        var result = await Generator.GenerateAsync(NewContinued(prefix));

        Assert.That(result.HasFlushed, Is.EqualTo(expected));
    }

    [Test]
    public async Task GenerateAsync_BlankTextOfAnEarlierProcess_IsNotSent()
    {
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("Once"));
        });

        var result = await Generator.GenerateAsync(NewContinued("\n\n"));

        Assert.That(sent!.Select(m => m.Role), Is.EqualTo(new[] { ChatRole.User }));
        Assert.That(result.Reply, Is.EqualTo("\n\nOnce"));
    }

    [Test]
    public async Task GenerateAsync_ContinuedReplyWithAnUpperLimit_AsksForWhatIsLeftOfIt()
    {
        var asked = default(int?);
        Model.Setup(c => c.GetStreamingResponseAsync(It.IsAny<IEnumerable<ChatMessage>>(), It.IsAny<ChatOptions>(), It.IsAny<CancellationToken>()))
            .Callback((IEnumerable<ChatMessage> _, ChatOptions options, CancellationToken _) => asked = options.MaxOutputTokens)
            .Returns(new[] { NewUpdate("!") }.ToAsyncEnumerable());

        await Generator.GenerateAsync(NewContinued("twelve bytes", maxTokens: 10));

        Assert.That(asked, Is.EqualTo(6));
    }

    [Test]
    public async Task GenerateAsync_ContinuedReplyWithoutReportedUsage_CountsTheTextBeforeAsInput()
    {
        Streams((_, _) => new[] { NewUpdate("123") }.ToAsyncEnumerable());

        var result = await Generator.GenerateAsync(NewContinued(new string('x', 3000)));

        Assert.That(result.Usage, Is.EqualTo(new TokenUsage(6 + 1004, 1, IsEstimated: true)));
    }

    private static UsageContent Usage(int input, int output) => new(new UsageDetails { InputTokenCount = input, OutputTokenCount = output });

    /// <summary>A run as a process that died has left it.</summary>
    private ActiveRun NewContinued(string text, RunPlace? place = null, int? maxTokens = null)
    {
        var stored = NewStored(status: RunStatus.InProgress, reply: text, lastSequence: null, attempt: 2);
        var alias = Registry.Get("fast");
        var log = RunLog.Restore(
            stored.ToStarted(alias.Active.Provider, alias.Active.Model), Time, text, [new RunContinued(RunLog.CrashGap, text.Length, 2)], result: null);
        var run = stored.ToNewRun(UserId, new RunQuestion("Tell!", null)) with { MaxTokens = maxTokens };
        var active = new ActiveRun(run, null, alias, log, Time);
        active.Accept(place ?? new RunPlace(1, 2), leaseNumber: 1);
        return active;
    }
}
