using AiChat.Core.Models;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Models;

public sealed class RoutingChatClientTests : RoutingTestBase
{
    [Test]
    public async Task Stream_FirstCandidateWorks_PassesItsUpdatesOn()
    {
        ChatResponseUpdate[] updates = [new(ChatRole.Assistant, "Hel"), new(ChatRole.Assistant, "lo") { FinishReason = ChatFinishReason.Stop }, Usage(7, 8)];
        A.Then([.. updates]);

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That(shown.Updates, Is.EqualTo(updates));
        Assert.That(B.Calls, Is.Empty);
    }

    [Test]
    public async Task GetResponse_FirstCandidateWorks_IsTheWholeReply()
    {
        A.Then("Hel", "lo", Usage(7, 8));

        var response = await NewClient(ThreeCandidates()).GetResponseAsync(Prompt);

        Assert.That((response.Text, response.Usage!.InputTokenCount, response.Usage.OutputTokenCount), Is.EqualTo(("Hello", 7, 8)));
    }

    [TestCase(ProviderError.Unavailable)]
    [TestCase(ProviderError.Timeout)]
    [TestCase(ProviderError.RateLimited)]
    [TestCase(ProviderError.InvalidResponse)]
    [TestCase(ProviderError.PromptTooLong)]
    public async Task Stream_FirstCandidateFails_NextOneAnswers(ProviderError error)
    {
        A.Then(Failure(error));
        B.Then("Hello");

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That((shown.TextWithSeams, shown.Failure), Is.EqualTo(("Hello", (ProviderException?)null)));
        Assert.That(Attempts.All.Select(a => (a.Number, a.Provider, a.Outcome, a.Error)), Is.EqualTo(new[]
        {
            (1, "a", AttemptOutcome.Failed, error), (2, "b", AttemptOutcome.Completed, (ProviderError?)null),
        }));
    }

    [TestCase(ProviderError.Unauthorized)]
    [TestCase(ProviderError.UnknownModel)]
    public async Task Stream_FirstCandidateRefuses_NextOneAnswers(ProviderError error)
    {
        Log.Expect($"a, model is left alone for 00:01:00: {error}, vendor text");
        Rules.Retries = 3;
        A.Then(Failure(error));
        B.Then("Hello");

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That((shown.Text, A.Calls.Count), Is.EqualTo(("Hello", 1)));
    }

    [Test]
    public async Task Stream_RequestIsRejected_IsNotTriedElsewhere()
    {
        A.Then(Failure(ProviderError.Rejected));

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That(shown.Failure!.Error, Is.EqualTo(ProviderError.Rejected));
        Assert.That(B.Calls, Is.Empty);
    }

    [Test]
    public async Task Stream_ReplyWithoutText_NextOneAnswersAndNothingOfTheFirstIsShown()
    {
        A.Then("", Usage(5, 6));
        B.Then("Hello", Usage(7, 8));

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That(shown.Text, Is.EqualTo("Hello"));
        Assert.That(shown.Usages.Select(u => u.InputTokenCount), Is.EqualTo(new[] { 7 }));
        Assert.That(Attempts.All.Select(a => (a.Outcome, a.Error, a.Usage)), Is.EqualTo(new[]
        {
            (AttemptOutcome.Failed, (ProviderError?)ProviderError.InvalidResponse, (TokenUsage?)new TokenUsage(5, 6)),
            (AttemptOutcome.Completed, null, new TokenUsage(7, 8)),
        }));
    }

    /// <summary>The beginning of a reply may be all of it.</summary>
    [Test]
    public async Task Stream_ReplyWithoutTextBehindItsBeginning_IsComplete()
    {
        A.Then("");

        var shown = await ReadAsync(ThreeCandidates(), prompt: [.. Prompt, new ChatMessage(ChatRole.Assistant, "Hello")]);

        Assert.That((shown.Text, shown.Failure, Attempts.Last!.Outcome), Is.EqualTo(("", (ProviderException?)null, AttemptOutcome.Completed)));
    }

    [Test]
    public async Task Stream_AllFail_ThrowsTheLastFailure()
    {
        A.Then(Failure(ProviderError.Unavailable));
        B.Then(Failure(ProviderError.Timeout, "b"));
        C.Then(Failure(ProviderError.RateLimited, "c"));

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That((shown.Failure!.Provider, shown.Failure.Error, shown.Updates.Count), Is.EqualTo(("c", ProviderError.RateLimited, 0)));
    }

    [Test]
    public async Task Stream_CandidateWithoutKey_IsPassedOver()
    {
        B.Then("Hello");

        var shown = await ReadAsync([Candidate("a", A, missingSetting: "A_API_KEY"), Candidate("b", B)]);

        Assert.That((shown.Text, A.Calls.Count, Attempts.All.Count), Is.EqualTo(("Hello", 0, 1)));
    }

    [TestCase(1000, 24, 0)]
    [TestCase(1000, 25, 1)]
    [TestCase(1024, null, 0)]
    [TestCase(1025, null, 1)]
    public async Task Stream_WindowAndPrompt_FirstThatTakesBothAnswers(int promptTokens, int? maxOutputTokens, int answering)
    {
        A.Then("Hello");
        B.Then("Hello");

        await ReadAsync([Candidate("a", A, window: 1024), Candidate("b", B)], Routed(promptTokens, maxOutputTokens: maxOutputTokens));

        Assert.That(Attempts.All.Select(a => a.Provider), Is.EqualTo(new[] { new[] { "a", "b" }[answering] }));
    }

    [Test]
    public async Task Stream_PromptFitsIntoNoWindow_IsTooLong()
    {
        var shown = await ReadAsync([Candidate("z", C, missingSetting: "Z"), Candidate("a", A, window: 1024), Candidate("b", B, window: 2048)], Routed(5000));

        Assert.That((shown.Failure!.Provider, shown.Failure.Error), Is.EqualTo(("a", ProviderError.PromptTooLong)));
        Assert.That(Attempts.All, Is.Empty);
    }

    [TestCase(null, null)]
    [TestCase(40, 40)]
    [TestCase(60, 50)]
    public async Task Stream_CandidateWithLongestAnswer_IsAskedForNoMore(int? asked, int? sent)
    {
        A.Then("Hello");
        var options = Routed(maxOutputTokens: asked);

        await ReadAsync([Candidate("a", A, maxOutputTokens: 50)], options);

        Assert.That(A.Calls.Single().Options!.MaxOutputTokens, Is.EqualTo(sent));
        Assert.That(options.MaxOutputTokens, Is.EqualTo(asked));
    }

    [Test]
    public async Task Stream_NothingToChange_PassesTheOptionsOn()
    {
        A.Then("Hello");
        var options = Routed(maxOutputTokens: 40);

        await ReadAsync(ThreeCandidates(), options);

        Assert.That(A.Calls.Single().Options, Is.SameAs(options));
    }

    [Test]
    public async Task Stream_AllFail_EachIsCalledAgainInTheirOrder()
    {
        Rules.Retries = 2;
        A.Then(Failure(ProviderError.Unavailable)).Then(Failure(ProviderError.Unavailable)).Then("Hello");
        B.Then(Failure(ProviderError.Unavailable));

        var shown = await RunClockUntilAsync(ReadAsync([Candidate("a", A), Candidate("b", B)]));

        Assert.That(shown.Text, Is.EqualTo("Hello"));
        Assert.That(string.Concat(Attempts.All.Select(a => a.Provider)), Is.EqualTo("ababa"));
    }

    [Test]
    public async Task Stream_AllFailForEver_EachIsCalledOnceAndTheRetries()
    {
        Rules.Retries = 2;
        A.Then(Failure(ProviderError.Unavailable));
        B.Then(Failure(ProviderError.Timeout));

        var shown = await RunClockUntilAsync(ReadAsync([Candidate("a", A), Candidate("b", B)]));

        Assert.That((shown.Failure!.Error, A.Calls.Count, B.Calls.Count), Is.EqualTo((ProviderError.Timeout, 3, 3)));
    }

    [Test]
    public async Task Stream_FirstRoundFails_WaitsNoLongerThanTheRetryDelay()
    {
        Rules.Retries = 1;
        Rules.RetryDelay = TimeSpan.FromMilliseconds(200);
        A.Then(Failure(ProviderError.Unavailable)).Then("Hello");
        var reading = ReadAsync([Candidate("a", A)]);

        Time.Advance(TimeSpan.FromMilliseconds(200));

        Assert.That((await reading.WaitAsync(LongestWait)).Text, Is.EqualTo("Hello"));
    }

    [Test]
    public async Task Stream_ProviderAsksToWait_IsCalledAgainThen()
    {
        Rules.Retries = 1;
        A.Then(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromSeconds(5))).Then("Hello");
        var reading = ReadAsync([Candidate("a", A)]);

        Time.Advance(TimeSpan.FromSeconds(4.999));
        var callsBefore = A.Calls.Count;
        Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.That(((await reading.WaitAsync(LongestWait)).Text, callsBefore), Is.EqualTo(("Hello", 1)));
    }

    [Test]
    public async Task Stream_ProvidersAskToWait_TheOneThatIsReadyFirstIsCalled()
    {
        Rules.Retries = 1;
        A.Then(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromSeconds(5)));
        B.Then(Failure(ProviderError.Unavailable, retryAfter: TimeSpan.FromSeconds(2))).Then("Hello");

        await RunClockUntilAsync(ReadAsync([Candidate("a", A), Candidate("b", B)]));

        Assert.That(string.Concat(Attempts.All.Select(a => a.Provider)), Is.EqualTo("abb"));
    }

    [Test]
    public async Task Stream_ProviderAsksForALongWait_IsLeftAloneThatLong()
    {
        Log.Expect("a, model is left alone for 00:00:06: RateLimited");
        Rules.Retries = 1;
        A.Then(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromSeconds(6))).Then("Hello");
        var candidates = new[] { Candidate("a", A) };

        var first = await ReadAsync(candidates);
        Time.Advance(TimeSpan.FromSeconds(2));
        var second = await ReadAsync(candidates);
        Time.Advance(TimeSpan.FromSeconds(4));
        var third = await ReadAsync(candidates);

        Assert.That((first.Failure!.Error, first.Failure.RetryAfter), Is.EqualTo((ProviderError.RateLimited, TimeSpan.FromSeconds(6))));
        Assert.That((second.Failure!.Error, second.Failure.RetryAfter), Is.EqualTo((ProviderError.Unavailable, TimeSpan.FromSeconds(4))));
        Assert.That((third.Text, A.Calls.Count), Is.EqualTo(("Hello", 2)));
    }

    [Test]
    public async Task Stream_AllAreLeftAlone_SaysWhenTheFirstMayBeCalledAgain()
    {
        Log.Expect("a, model is left alone for 00:00:40");
        Log.Expect("b, model is left alone for 00:00:30");
        ModelCandidate[] candidates = [Candidate("a", A), Candidate("b", B)];
        await candidates[0].Circuit.ReportAsync(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromSeconds(40)));
        await candidates[1].Circuit.ReportAsync(Failure(ProviderError.RateLimited, "b", TimeSpan.FromSeconds(30)));

        var shown = await ReadAsync(candidates);

        Assert.That((shown.Failure!.Provider, shown.Failure.Error, shown.Failure.RetryAfter), Is.EqualTo(("a", ProviderError.Unavailable, TimeSpan.FromSeconds(30))));
        Assert.That(Attempts.All, Is.Empty);
    }

    [Test]
    public async Task Stream_CancelledBeforeText_IsNotedAndFallsOverToNobody()
    {
        using var cancellation = new CancellationTokenSource();
        A.Then(Task.Delay(Timeout.Infinite));
        var reading = ReadAsync(ThreeCandidates(), ct: cancellation.Token);

        await cancellation.CancelAsync();

        Assert.That(async () => await reading.WaitAsync(LongestWait), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Attempts.All.Select(a => (a.Outcome, a.Error, a.Usage)), Is.EqualTo(new[]
        {
            (AttemptOutcome.Cancelled, (ProviderError?)null, (TokenUsage?)new TokenUsage(10, 0, IsEstimated: true)),
        }));
        Assert.That((B.Calls.Count, A.Closed), Is.EqualTo((0, 1)));
    }

    [Test]
    public async Task Stream_CancelledBehindText_IsNotedWithTheTextsTokens()
    {
        using var cancellation = new CancellationTokenSource();
        A.Then("123456789", Task.Delay(Timeout.Infinite));
        var reading = ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true), ct: cancellation.Token);

        await cancellation.CancelAsync();

        Assert.That(async () => await reading.WaitAsync(LongestWait), Throws.InstanceOf<OperationCanceledException>());
        Assert.That((Attempts.Last!.Outcome, Attempts.Last.Usage), Is.EqualTo((AttemptOutcome.Cancelled, (TokenUsage?)new TokenUsage(10, 3, IsEstimated: true))));
        Assert.That(B.Calls, Is.Empty);
    }

    [Test]
    public async Task Stream_CancelledWhileWaitingForAnotherTry_CallsNobodyAgain()
    {
        using var cancellation = new CancellationTokenSource();
        Rules.Retries = 1;
        A.Then(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromSeconds(5)));
        var reading = ReadAsync([Candidate("a", A)], ct: cancellation.Token);

        await cancellation.CancelAsync();

        Assert.That(async () => await reading.WaitAsync(LongestWait), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Attempts.All.Select(a => a.Outcome), Is.EqualTo(new[] { AttemptOutcome.Failed }));
    }

    [Test]
    public async Task Stream_CallerLeavesEarly_AttemptIsComplete()
    {
        A.Then("Once", " upon");

        await foreach (var _ in NewClient(ThreeCandidates()).GetStreamingResponseAsync(Prompt, Routed()))
            break;

        Assert.That((Attempts.Last!.Outcome, Attempts.Last.Usage, A.Closed), Is.EqualTo((AttemptOutcome.Completed, (TokenUsage?)new TokenUsage(10, 2, IsEstimated: true), 1)));
    }

    [Test]
    public async Task Stream_DefectOfAClient_IsNotedAndThrown()
    {
        A.Then("Once", new InvalidOperationException("A defect."));

        Assert.That(async () => await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true)), Throws.InvalidOperationException);
        Assert.That((Attempts.Last!.Outcome, Attempts.Last.Error), Is.EqualTo((AttemptOutcome.Incomplete, ProviderError.InvalidResponse)));
    }

    [Test]
    public async Task Attempt_Times_AreThoseOfTheClock()
    {
        var start = Time.GetUtcNow();
        Action secondPasses = () => Time.Advance(TimeSpan.FromSeconds(1));
        A.Then(secondPasses, "Hello", secondPasses, secondPasses);
        var candidates = ThreeCandidates();

        await ReadAsync(candidates);

        var attempt = Attempts.Last!;
        Assert.That(candidates[0].Health.TimeToFirstToken, Is.EqualTo(TimeSpan.FromSeconds(1)));
        Assert.That((attempt.StartedAt - start, attempt.FirstTokenAt - start, attempt.CompletedAt - start), Is.EqualTo((TimeSpan.Zero, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3))));
    }

    [Test]
    public async Task Attempt_WhileItGoesOn_HasThePromptsTokens()
    {
        var goOn = new TaskCompletionSource();
        A.Then(goOn.Task, "Hello");
        var reading = ReadAsync(ThreeCandidates());

        var attempt = Attempts.Last!;
        goOn.SetResult();

        await reading.WaitAsync(LongestWait);
        Assert.That((attempt.Outcome, attempt.Usage, attempt.Price), Is.EqualTo(
            (AttemptOutcome.InProgress, (TokenUsage?)new TokenUsage(10, 0, IsEstimated: true), (ModelPrice?)new ModelPrice(1, 2))));
    }

    [Test]
    public async Task Usage_ReportedInParts_IsPutTogetherAndTheLastOneCounts()
    {
        A.Then(Usage(100, null, cached: 60), "Hello", Usage(null, 3), Usage(null, 9, reasoning: 4));

        await ReadAsync(ThreeCandidates());

        Assert.That(Attempts.Last!.Usage, Is.EqualTo(new TokenUsage(100, 9) { CachedTokens = 60, ReasoningTokens = 4 }));
    }

    [Test]
    public async Task Usage_HalfOfItReported_IsEstimatedForTheRest()
    {
        A.Then("1234", Usage(100, null));

        await ReadAsync(ThreeCandidates());

        Assert.That(Attempts.Last!.Usage, Is.EqualTo(new TokenUsage(100, 2, IsEstimated: true)));
    }

    [Test]
    public async Task Usage_ReportedByACallThatBreaksOff_Counts()
    {
        A.Then(Usage(100, 1), "Hello", Failure(ProviderError.InvalidResponse));

        var shown = await ReadAsync(ThreeCandidates());

        Assert.That((Attempts.Last!.Outcome, Attempts.Last.Usage), Is.EqualTo((AttemptOutcome.Incomplete, (TokenUsage?)new TokenUsage(100, 1))));
        Assert.That(shown.Usages, Is.Empty);
    }

    [TestCase(ProviderError.Unavailable, false)]
    [TestCase(ProviderError.RateLimited, false)]
    [TestCase(ProviderError.PromptTooLong, false)]
    [TestCase(ProviderError.Rejected, false)]
    [TestCase(ProviderError.Timeout, true)]
    [TestCase(ProviderError.InvalidResponse, true)]
    public async Task Usage_FailedWithoutText_IsEstimatedWhereTheProviderMayHaveWorked(ProviderError error, bool isEstimated)
    {
        A.Then(Failure(error));

        await ReadAsync([Candidate("a", A)]);

        Assert.That(Attempts.Last!.Usage, Is.EqualTo(isEstimated ? new TokenUsage(10, 0, IsEstimated: true) : (TokenUsage?)null));
    }

    [Test]
    public async Task Stream_PlainOptions_AnswersWithoutAnAccount()
    {
        A.Then("Hello", Failure(ProviderError.Unavailable));

        var shown = await ReadAsync(ThreeCandidates(), new ChatOptions { Temperature = 1 });

        Assert.That((shown.Text, shown.Failure!.Error, B.Calls.Count), Is.EqualTo(("Hello", ProviderError.Unavailable, 0)));
    }
}
