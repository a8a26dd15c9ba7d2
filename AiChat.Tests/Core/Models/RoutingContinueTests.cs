using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Models;

/// <summary>A candidate breaks off behind text that was shown.</summary>
public sealed class RoutingContinueTests : RoutingTestBase
{
    [Test]
    public async Task Stream_BreaksOff_NextOneGoesOnBehindASeam()
    {
        A.Then("Once", " upon", Failure(ProviderError.InvalidResponse));
        B.Then(" a", " time", Usage(20, 3));

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That((shown.TextWithSeams, shown.Failure), Is.EqualTo(("Once upon[2] a time", (ProviderException?)null)));
        Assert.That(B.Calls.Single().Messages.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "user: Hi", "assistant: Once upon" }));
        Assert.That(Attempts.All.Select(a => (a.Provider, a.Outcome, a.Error)), Is.EqualTo(new[]
        {
            ("a", AttemptOutcome.Incomplete, (ProviderError?)ProviderError.InvalidResponse), ("b", AttemptOutcome.Completed, null),
        }));
    }

    [Test]
    public async Task Stream_BreaksOffBehindAToolsResult_NextOneGetsTheCallTheResultAndTheBeginning()
    {
        var prompt = ToolPrompts.EndingWithResult();
        A.Then("It is", Failure(ProviderError.InvalidResponse));
        B.Then("It is", " noon");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true), prompt);

        Assert.That((shown.TextWithSeams, shown.Failure), Is.EqualTo(("It is[2] noon", (ProviderException?)null)));
        Assert.That(B.Calls.Single().Messages.SkipLast(1), Is.EqualTo(prompt));
        Assert.That((B.Calls.Single().Messages[^1].Role, B.Calls.Single().Messages[^1].Text), Is.EqualTo((ChatRole.Assistant, "It is")));
    }

    [Test]
    public async Task Stream_BreaksOffAndNobodyIsToGoOn_Throws()
    {
        A.Then("Once", Failure(ProviderError.Timeout));

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: false));

        Assert.That((shown.Text, shown.Failure!.Error, B.Calls.Count), Is.EqualTo(("Once", ProviderError.Timeout, 0)));
    }

    [Test]
    public async Task Stream_BreaksOffAndThereIsNoOther_ThrowsAndIsNotCalledAgain()
    {
        Rules.Retries = 3;
        A.Then("Once", Failure(ProviderError.Timeout));

        var shown = await ReadAsync([Candidate("a", A)], Routed(continueOnBreak: true));

        Assert.That((shown.Text, shown.Failure!.Error, A.Calls.Count), Is.EqualTo(("Once", ProviderError.Timeout, 1)));
    }

    [Test]
    public async Task Stream_NextOneFailsToo_TheOneThatWritesHasTheSeam()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then(Failure(ProviderError.Unavailable, "b"));
        C.Then(" upon");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That(shown.TextWithSeams, Is.EqualTo("Once[3] upon"));
    }

    [Test]
    public async Task Stream_AllBreakOff_EachSeamIsShownAndTheLastFailureThrown()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then(" upon", Failure(ProviderError.Unavailable, "b"));
        C.Then(" a", Failure(ProviderError.Timeout, "c"));

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That((shown.TextWithSeams, shown.Failure!.Provider), Is.EqualTo(("Once[2] upon[3] a", "c")));
        Assert.That(C.Calls.Single().Messages[^1].Text, Is.EqualTo("Once upon"));
    }

    [Test]
    public async Task Stream_OneThatFailedBeforeMayBeCalledAgain_GoesOn()
    {
        Rules.Retries = 1;
        A.Then(Failure(ProviderError.Unavailable)).Then(" upon");
        B.Then("Once", Failure(ProviderError.InvalidResponse, "b"));

        var shown = await RunClockUntilAsync(ReadAsync([Candidate("a", A), Candidate("b", B)], Routed(continueOnBreak: true)));

        Assert.That(shown.TextWithSeams, Is.EqualTo("Once[3] upon"));
    }

    /// <summary>Some models take no beginning of a reply.</summary>
    [Test]
    public async Task Stream_NextOneRejectsTheBeginning_TheOneAfterGoesOn()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then(Failure(ProviderError.Rejected, "b"));
        C.Then(" upon");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That(shown.TextWithSeams, Is.EqualTo("Once[3] upon"));
    }

    [Test]
    public async Task Stream_AllOthersRejectTheBeginning_ThrowsWhatBroke()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then(Failure(ProviderError.Rejected, "b"));

        var shown = await ReadAsync([Candidate("a", A), Candidate("b", B)], Routed(continueOnBreak: true));

        Assert.That((shown.Text, shown.Failure!.Error), Is.EqualTo(("Once", ProviderError.InvalidResponse)));
    }

    /// <summary>A reply that was cut is not whole because the next model says nothing.</summary>
    [Test]
    public async Task Stream_NextOneSaysNothing_IsLeftToTheOneBehindIt()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then("");
        C.Then(" upon");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That((shown.TextWithSeams, shown.Failure), Is.EqualTo(("Once[3] upon", (ProviderException?)null)));
        Assert.That(Attempts.All.Select(a => a.Outcome), Is.EqualTo(new[] { AttemptOutcome.Incomplete, AttemptOutcome.Failed, AttemptOutcome.Completed }));
    }

    /// <summary>That is how a reply goes on that a dead process has begun.</summary>
    [Test]
    public async Task Stream_PromptEndsWithTheReplysBeginningAndTheModelStartsOver_LeavesTheBeginningOut()
    {
        A.Then("Once upon a time");

        var shown = await ReadAsync(ThreeCandidates(), Routed(), [.. Prompt, new ChatMessage(ChatRole.Assistant, "Once upon")]);

        Assert.That(shown.TextWithSeams, Is.EqualTo(" a time"));
    }

    [TestCase("Once upon| a time", "Once upon[2] a time", Description = "It goes on.")]
    [TestCase("Once upon a time", "Once upon[2] a time", Description = "It starts over.")]
    [TestCase("On|ce| upon a| time", "Once upon[2] a time", Description = "It starts over in pieces.")]
    [TestCase("Once upon", "Once upon", Description = "It repeats what is there and nothing else.")]
    [TestCase("Once, twice", "Once upon[2]Once, twice", Description = "It looks like the beginning for a while.")]
    [TestCase("On|ce| and", "Once upon[2]Once and", Description = "The same in pieces.")]
    [TestCase("Once", "Once upon[2]Once", Description = "It ends while it looks like the beginning.")]
    [TestCase("Once uponOnce upon", "Once upon[2]Once upon", Description = "It is left out once.")]
    public async Task Stream_NextOneRepeats_TheBeginningIsLeftOutOnce(string pieces, string expected)
    {
        A.Then("Once", " upon", Failure(ProviderError.InvalidResponse));
        B.Then([.. pieces.StartsWith("Once upon|", StringComparison.Ordinal) ? pieces.Split('|')[1..] : pieces.Split('|')]);

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That((shown.TextWithSeams, shown.Failure), Is.EqualTo((expected, (ProviderException?)null)));
    }

    [Test]
    public async Task Stream_NextOneBreaksOffWhileItRepeats_NothingOfItIsShown()
    {
        A.Then("Once upon", Failure(ProviderError.InvalidResponse));
        B.Then("Once", Failure(ProviderError.InvalidResponse, "b"));
        C.Then(" a time");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That(shown.TextWithSeams, Is.EqualTo("Once upon[3] a time"));
        Assert.That(Attempts.All[1].Outcome, Is.EqualTo(AttemptOutcome.Incomplete));
    }

    [Test]
    public async Task Stream_UpdateWithTextAndMore_KeepsWhatIsNotRepeated()
    {
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        B.Then(new ChatResponseUpdate(ChatRole.Assistant, [new TextContent("Once upon"), new TextReasoningContent("why")]) { FinishReason = ChatFinishReason.Stop });

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That((shown.TextWithSeams, shown.Updates[^1].FinishReason), Is.EqualTo(("Once[2] upon", ChatFinishReason.Stop)));
        Assert.That(shown.Updates[^1].Contents.OfType<TextReasoningContent>().Select(c => c.Text), Is.EqualTo(new[] { "why" }));
    }

    [Test]
    public async Task Stream_BreaksOffBehindUsage_OnlyThatOfTheLastIsShown()
    {
        A.Then("Once", Usage(10, 1), Failure(ProviderError.InvalidResponse));
        B.Then(" upon", Usage(20, 2));

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true));

        Assert.That(shown.Usages.Select(u => u.InputTokenCount), Is.EqualTo(new[] { 20 }));
        Assert.That(Attempts.Usage, Is.EqualTo(new TokenUsage(30, 3)));
    }

    [Test]
    public async Task Stream_PromptEndsWithTheReplysBeginning_NextOneGetsOneMessageWithAll()
    {
        A.Then(" upon", Failure(ProviderError.InvalidResponse));
        B.Then("Once upon a time");

        var shown = await ReadAsync(ThreeCandidates(), Routed(continueOnBreak: true), [.. Prompt, new ChatMessage(ChatRole.Assistant, "Once")]);

        Assert.That(B.Calls.Single().Messages.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "user: Hi", "assistant: Once upon" }));
        Assert.That(shown.TextWithSeams, Is.EqualTo(" upon[2] a time"));
    }

    [Test]
    public async Task Stream_NextWindowIsTooSmallForPromptAndText_IsPassedOver()
    {
        A.Then(new string('x', 90), Failure(ProviderError.InvalidResponse));
        C.Then("end");
        ModelCandidate[] candidates = [Candidate("a", A), Candidate("b", B, window: 1033), Candidate("c", C, window: 1034)];

        await ReadAsync(candidates, Routed(promptTokens: 1000, continueOnBreak: true));

        Assert.That(Attempts.All.Select(a => (a.Provider, a.Usage!.Value.InputTokens)), Is.EqualTo(new[] { ("a", 1000), ("c", 1034) }));
    }

    [Test]
    public async Task Stream_BreaksOffAgainAndAgain_CountsAgainstTheCandidate()
    {
        Log.Expect("a, model is left alone for 00:00:15: InvalidResponse");
        Rules.FailureRatio = 0.4;
        A.Then("Once", Failure(ProviderError.InvalidResponse));
        var candidates = new[] { Candidate("a", A) };

        for (var i = 0; i < 3; i++)
            await ReadAsync(candidates);

        Assert.That(candidates[0].Health.State, Is.EqualTo(CandidateState.Open));
    }
}
