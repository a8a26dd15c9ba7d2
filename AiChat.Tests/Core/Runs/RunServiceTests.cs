using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunServiceTests : RunTestBase
{
    [Test]
    public async Task SendAsync_ModelAnswers_ReturnsTheStoredReply()
    {
        var result = await InTime(SendAsync(Send("Hello?"), None));

        Assert.Multiple(() =>
        {
            Assert.That(result, Is.SameAs(Stored.Single()));
            Assert.That(result!.Status, Is.EqualTo(RunStatus.Completed));
            Assert.That(result.Reply, Is.EqualTo("Hello!"));
            Assert.That(result.ChatId, Is.EqualTo(ChatId));
            Assert.That(result.AssistantSequence, Is.EqualTo(2));
            Assert.That((result.Provider, result.Model), Is.EqualTo(("groq", "oss-20b")));
            Assert.That(result.Usage, Is.EqualTo(new TokenUsage(11, 22)));
            Assert.That(result.FinishReason, Is.EqualTo("stop"));
            Assert.That(result.Receipt!.PromptTokens, Is.EqualTo(6));
            Assert.That(result.Error, Is.Null);
            Assert.That(result.CompletedAt, Is.EqualTo(Time.GetUtcNow()));
        });
    }

    [Test]
    public async Task SendAsync_ExistingChat_StoresTheMessageUnderFreshIds()
    {
        await InTime(SendAsync(Send("Hello?") with { Temperature = 0.5, MaxTokens = 77 }, None));

        var run = StartedRun();
        Assert.Multiple(() =>
        {
            Assert.That(run with { Id = "", UserMessageId = "", AssistantMessageId = "" }, Is.EqualTo(new NewRun
            {
                Id = "",
                ChatId = ChatId,
                UserId = UserId,
                UserMessageId = "",
                AssistantMessageId = "",
                Message = "Hello?",
                Alias = "fast",
                Temperature = 0.5,
                MaxTokens = 77,
                Admission = new RunAdmissionRule(Settings.QueueLimit),
                CreatedAt = Time.GetUtcNow(),
            }));
            Assert.That(new[] { run.Id, run.UserMessageId, run.AssistantMessageId }, Is.Unique.And.All.Matches<string>(id => Guid.Parse(id).Version == 7));
        });
    }

    [Test]
    public async Task SendAsync_NoChat_MakesOneInTheSameTransaction()
    {
        var result = await InTime(SendAsync(Send(chatId: null), None));

        var run = StartedRun();
        Assert.That(run.NewChat, Is.EqualTo(new Chat { Id = result!.ChatId, UserId = UserId, CreatedAt = Time.GetUtcNow(), UpdatedAt = Time.GetUtcNow() }));
        Assert.That((run.ChatId, Guid.Parse(run.ChatId).Version), Is.EqualTo((result.ChatId, 7)));
        Chats.VerifyNoOtherCalls();
    }

    [Test]
    public async Task SendAsync_UnknownChat_IsNullAndNothingIsStored()
    {
        Chats.Setup(c => c.GetAsync(UserId, ChatId, It.IsAny<CancellationToken>())).ReturnsAsync((Chat?)null);

        var result = await InTime(SendAsync(Send(), None));

        Assert.That(result, Is.Null);
        AssertNothingStarted();
    }

    [Test]
    public async Task SendAsync_ChatDeletedJustBefore_IsNullAndLeavesNothingRunning()
    {
        AcceptsRuns(new RunAdmission.NoSuchChat());

        var result = await InTime(SendAsync(Send(), None));

        Assert.That(result, Is.Null);
        Assert.That(Executor.StopAsync(None).IsCompleted, Is.True);
    }

    [Test]
    public void SendAsync_DatabaseRefusesTheMessage_SaysSoAndLeavesNothingRunning()
    {
        var refusal = UnavailableException.ForDatabase(new IOException());
        Runs.Setup(r => r.StartAsync(It.IsAny<NewRun>(), It.IsAny<CancellationToken>())).ThrowsAsync(refusal);

        var failure = Assert.ThrowsAsync<UnavailableException>(() => InTime(SendAsync(Send(), None)));

        Assert.That(failure, Is.SameAs(refusal));
        Assert.That(Executor.StopAsync(None).IsCompleted, Is.True);
    }

    [TestCase(null, null, "fast", "oss-20b")]
    [TestCase(null, "smart", "smart", "oss-120b")]
    [TestCase("FAST", "smart", "fast", "oss-20b")]
    public async Task SendAsync_Model_IsTheMessagesElseTheChatsElseTheDefault(string? asked, string? chats, string alias, string model)
    {
        Chats.Setup(c => c.GetAsync(UserId, ChatId, It.IsAny<CancellationToken>())).ReturnsAsync(NewChat(ChatId) with { Model = chats });

        var result = await InTime(SendAsync(Send() with { Model = asked }, None));

        Assert.That((StartedRun().Alias, result!.Model), Is.EqualTo((alias, model)));
    }

    [Test]
    public void SendAsync_UnknownModel_IsRefusedAndNothingIsStored()
    {
        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => InTime(SendAsync(Send() with { Model = "slow" }, None)));

        Assert.That(failure.Code, Is.EqualTo("unknown_model"));
        AssertNothingStarted();
    }

    [Test]
    public void SendAsync_MessageLongerThanTheWindow_IsRefusedAndNothingIsStored()
    {
        // The window of "fast" has 2048 tokens, 1024 of them for the answer; a message costs 4 beside its text.
        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => InTime(SendAsync(Send(new string('x', (3 * 1020) + 1)), None)));

        Assert.That(failure.Code, Is.EqualTo("message_too_long"));
        AssertNothingStarted();
    }

    [Test]
    public async Task SendAsync_MessageThatJustFits_IsAnswered()
    {
        var result = await InTime(SendAsync(Send(new string('x', 3 * 1020)), None));

        Assert.That(result!.Status, Is.EqualTo(RunStatus.Completed));
    }

    [Test]
    public void SendAsync_LongSystemPrompt_CountsToo()
    {
        Chats.Setup(c => c.GetAsync(UserId, ChatId, It.IsAny<CancellationToken>()))
            .ReturnsAsync(NewChat(ChatId) with { SystemPrompt = new string('s', 3 * 1020) });

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => InTime(SendAsync(Send(), None)));

        Assert.That(failure.Code, Is.EqualTo("message_too_long"));
    }

    [Test]
    public async Task SendAsync_SettingsAndSystemPrompt_ReachTheModel()
    {
        Chats.Setup(c => c.GetAsync(UserId, ChatId, It.IsAny<CancellationToken>())).ReturnsAsync(NewChat(ChatId) with { SystemPrompt = "Be kind." });
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("Yes."));
        });

        await InTime(SendAsync(Send("Really?") with { Temperature = 0.5, MaxTokens = 77 }, None));

        Assert.That(sent!.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "system: Be kind.", "user: Really?" }));
        Model.Verify(c => c.GetStreamingResponseAsync(
            It.IsAny<IEnumerable<ChatMessage>>(), It.Is<ChatOptions>(o => o.Temperature == 0.5f && o.MaxOutputTokens == 77), It.IsAny<CancellationToken>()));
    }

    [Test]
    public async Task SendAsync_ProviderFails_ThrowsWithTheStoredEnd()
    {
        Log.Expect("failed: groq, oss-20b: RateLimited, slow down");
        Answers((_, _) => throw new ProviderException("groq", ProviderError.RateLimited, "slow down") { RetryAfter = TimeSpan.FromSeconds(3) });

        var failure = Assert.ThrowsAsync<RunFailedException>(() => InTime(SendAsync(Send(), None)));

        Assert.That((failure.Code, failure.Error.RetryAfter), Is.EqualTo(("provider_rate_limited", TimeSpan.FromSeconds(3))));
        Assert.That(failure.Result, Is.SameAs(Stored.Single()));
        await Executor.StopAsync(None);
    }

    [Test]
    public async Task SendAsync_CallerGoesAway_ReplyIsStoredAllTheSame()
    {
        var answer = new TaskCompletionSource<ChatResponse>();
        var isStored = new TaskCompletionSource();
        Answers((_, _) => answer.Task);
        FinishesRuns((_, _) =>
        {
            isStored.SetResult();
            return Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null));
        });
        using var caller = new CancellationTokenSource();

        var send = SendAsync(Send(), caller.Token);
        await caller.CancelAsync();
        Assert.That(async () => await InTime(send), Throws.InstanceOf<OperationCanceledException>());
        answer.SetResult(Reply("Late."));
        await InTime(isStored.Task);

        await RunClockUntilAsync(Executor.StopAsync(None));
        Assert.That((Stored.Single().Status, Stored.Single().Reply), Is.EqualTo((RunStatus.Completed, "Late.")));
    }

    [Test]
    public async Task StartAsync_CallerAlreadyGone_CannotLeaveHalfATurn()
    {
        var run = await Service.StartAsync(Send(chatId: null), new CancellationToken(canceled: true));

        Assert.That((await InTime(run!.Completion)).Status, Is.EqualTo(RunStatus.Completed));
        Runs.Verify(r => r.StartAsync(StartedRun(), None), Times.Once);
        Runs.Verify(r => r.FinishAsync(Stored.Single(), None), Times.Once);
    }

    [Test]
    public void StartAsync_DuringShutdown_IsRefusedAndNothingIsStored()
    {
        Lifetime.StopApplication();

        var failure = Assert.ThrowsAsync<UnavailableException>(() => InTime(Service.StartAsync(Send(), None)));

        Assert.That((failure.Code, failure.RetryAfter), Is.EqualTo(("shutting_down", TimeSpan.FromSeconds(5))));
        AssertNothingStarted();
    }

    private NewRun StartedRun() =>
        Runs.Invocations.Where(i => i.Method.Name == nameof(IRunRepository.StartAsync)).Select(i => (NewRun)i.Arguments[0]).Single();

    private void AssertNothingStarted() => Runs.Verify(r => r.StartAsync(It.IsAny<NewRun>(), It.IsAny<CancellationToken>()), Times.Never);
}
