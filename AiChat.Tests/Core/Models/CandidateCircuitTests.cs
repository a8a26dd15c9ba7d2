using AiChat.Core.Models;

namespace AiChat.Tests.Core.Models;

public sealed class CandidateCircuitTests : RoutingTestBase
{
    private CandidateCircuit circuit = null!;
    private int calls;

    [SetUp]
    public void SetUpCircuit()
    {
        calls = 0;
        Rules.MinimumThroughput = 4;
        Rules.SamplingDuration = TimeSpan.FromSeconds(30);
        Rules.BreakDuration = TimeSpan.FromSeconds(15);
        circuit = NewCircuit();
    }

    [TestCase(ProviderError.Unavailable)]
    [TestCase(ProviderError.Timeout)]
    [TestCase(ProviderError.RateLimited)]
    [TestCase(ProviderError.InvalidResponse)]
    public async Task TryCall_TooManyFail_IsTurnedAwayAndSaysSoOnce(ProviderError error)
    {
        Log.Expect($"a, model is left alone for 00:00:15: {error}, vendor text");

        await CallAsync(null, null, Failure(error), Failure(error));
        var isMade = await TryAsync(null);

        Assert.That((isMade, calls, circuit.IsOpen, circuit.GetWait()), Is.EqualTo((false, 4, true, TimeSpan.FromSeconds(15))));
        Assert.That(circuit.GetHealth(), Is.EqualTo(new CandidateHealth(CandidateState.Open, Time.GetUtcNow(), error, null)));
        Assert.That(Log.Entries.Count(e => e.IsProblem), Is.EqualTo(1));
    }

    /// <summary>Where little is sent, or much has worked until a moment ago, the share of failures says nothing for long.</summary>
    [Test]
    public async Task TryCall_SeveralFailInARow_IsTurnedAwayHoweverMuchHasWorked()
    {
        Rules.FailuresInARow = 3;
        Log.Expect("a, model is left alone for 00:00:15: Timeout, vendor text");
        for (var i = 0; i < 20; i++)
            await CallAsync((ProviderException?)null);

        await CallAsync(Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), null, Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));
        var before = circuit.IsOpen;
        await CallAsync(Failure(ProviderError.Timeout));

        Assert.That((before, circuit.IsOpen, circuit.GetHealth().State), Is.EqualTo((false, true, CandidateState.Open)));
        Assert.That(await TryAsync(null), Is.False);
        Time.Advance(TimeSpan.FromSeconds(15));
        await CallAsync((ProviderException?)null);
        Assert.That(circuit.GetHealth().State, Is.EqualTo(CandidateState.Closed));
    }

    [Test]
    public async Task TryCall_SeveralFailInARowAndTheTryToo_IsLeftAloneForAsLongAgain()
    {
        Rules.FailuresInARow = 2;
        Log.Expect("a, model is left alone for 00:00:15: Timeout, vendor text");
        await CallAsync(Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));
        Time.Advance(TimeSpan.FromSeconds(15));

        await CallAsync(Failure(ProviderError.Timeout));

        Assert.That((circuit.GetHealth().State, circuit.GetWait()), Is.EqualTo((CandidateState.Open, TimeSpan.FromSeconds(15))));
        Assert.That(Log.Entries.Count(e => e.IsProblem), Is.EqualTo(1));
    }

    [Test]
    public async Task TryCall_FewFail_StaysClosed()
    {
        await CallAsync(null, null, null, Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));

        Assert.That((circuit.IsOpen, circuit.GetHealth().State, circuit.GetHealth().LastError), Is.EqualTo((false, CandidateState.Closed, ProviderError.Timeout)));
    }

    [Test]
    public async Task TryCall_FailuresOfLongAgo_DoNotCount()
    {
        await CallAsync(Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));
        Time.Advance(TimeSpan.FromSeconds(31));
        await CallAsync(Failure(ProviderError.Timeout));

        Assert.That(circuit.IsOpen, Is.False);
    }

    [TestCase(ProviderError.Rejected)]
    [TestCase(ProviderError.PromptTooLong)]
    public async Task TryCall_RequestIsAtFault_CountsNeitherWay(ProviderError error)
    {
        Log.Expect("a, model is left alone");
        await CallAsync(Failure(error), Failure(error), Failure(error), Failure(error), Failure(error), Failure(error));
        var isOpenAfterThem = circuit.IsOpen;
        await CallAsync(Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));

        Assert.That((isOpenAfterThem, circuit.IsOpen), Is.EqualTo((false, true)));
    }

    [Test]
    public async Task TryCall_Cancelled_CountsNeitherWay()
    {
        Log.Expect("a, model is left alone");
        for (var i = 0; i < 6; i++)
            await CancelAsync();
        await CallAsync(Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), Failure(ProviderError.Timeout), Failure(ProviderError.Timeout));

        Assert.That(circuit.IsOpen, Is.True);
    }

    [Test]
    public async Task TryCall_TimeIsOver_OneCallTriesAndTheOthersAreTurnedAway()
    {
        await OpenAsync();
        Time.Advance(TimeSpan.FromSeconds(15));
        var (made, answer) = (new TaskCompletionSource(), new TaskCompletionSource<ProviderException?>());

        var trying = circuit.TryCallAsync(() =>
        {
            made.SetResult();
            return new ValueTask<ProviderException?>(answer.Task);
        });
        await made.Task.WaitAsync(LongestWait);
        var other = await TryAsync(null);
        var state = circuit.GetHealth().State;
        answer.SetResult(null);

        Assert.That((await trying, other, state), Is.EqualTo((true, false, CandidateState.HalfOpen)));
        Assert.That((circuit.GetHealth().State, circuit.GetHealth().LastError), Is.EqualTo((CandidateState.Closed, (ProviderError?)null)));
        Assert.That(Log.Entries.Select(e => e.Message), Has.Some.EqualTo("a, model works again"));
    }

    [Test]
    public async Task TryCall_TryFails_IsLeftAloneAsLongAgainWithoutMoreWarnings()
    {
        await OpenAsync();
        Time.Advance(TimeSpan.FromSeconds(15));

        await CallAsync(Failure(ProviderError.Unavailable));

        Assert.That((circuit.GetHealth().State, circuit.GetWait()), Is.EqualTo((CandidateState.Open, TimeSpan.FromSeconds(15))));
        Assert.That(Log.Entries.Count(e => e.IsProblem), Is.EqualTo(1));
    }

    [Test]
    public async Task TryCall_TryIsCancelled_StaysOpenAndTriesAgainLater()
    {
        await OpenAsync();
        Time.Advance(TimeSpan.FromSeconds(15));

        await CancelAsync();
        var isOpen = circuit.IsOpen;
        Time.Advance(TimeSpan.FromSeconds(15));
        await CallAsync((ProviderException?)null);

        Assert.That((isOpen, circuit.GetHealth().State), Is.EqualTo((true, CandidateState.Closed)));
    }

    [TestCase(ProviderError.Unauthorized, CandidateState.Open)]
    [TestCase(ProviderError.UnknownModel, CandidateState.UnknownModel)]
    public async Task TryCall_Refused_IsLeftAloneAtOnceAndTriedByOneAfterwards(ProviderError error, CandidateState state)
    {
        Log.Expect($"a, model is left alone for 00:01:00: {error}");
        await CallAsync(Failure(error));
        var health = circuit.GetHealth();

        Time.Advance(TimeSpan.FromSeconds(59.999));
        var before = await TryAsync(null);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        var answer = new TaskCompletionSource<ProviderException?>();
        var trying = circuit.TryCallAsync(() => new ValueTask<ProviderException?>(answer.Task));
        var other = await TryAsync(null);
        answer.SetResult(null);

        Assert.That((health.State, health.LastError), Is.EqualTo((state, error)));
        Assert.That((before, await trying, other, circuit.GetHealth().State), Is.EqualTo((false, true, false, CandidateState.Closed)));
        Assert.That(Log.Entries.Select(e => e.Message), Has.Some.EqualTo("a, model works again"));
    }

    [Test]
    public async Task TryCall_RefusedAgain_SaysSoOnceAndRemembersSinceWhen()
    {
        Log.Expect("a, model is left alone for 00:01:00: Unauthorized");
        await CallAsync(Failure(ProviderError.Unauthorized));
        var since = Time.GetUtcNow();
        Time.Advance(TimeSpan.FromMinutes(1));

        await CallAsync(Failure(ProviderError.Unauthorized));

        Assert.That((circuit.GetHealth().State, circuit.GetHealth().Since, circuit.IsOpen), Is.EqualTo((CandidateState.Open, since, true)));
        Assert.That(Log.Entries.Count(e => e.IsProblem), Is.EqualTo(1));
    }

    /// <summary>Calls that began before end after it, well or not.</summary>
    [Test]
    public async Task Report_EndsAfterTheRefusal_DoNotHideWhatIsWrong([Values] bool isGood)
    {
        Log.Expect("a, model is left alone for 00:01:00: Unauthorized");
        await CallAsync(Failure(ProviderError.Unauthorized));

        for (var i = 0; i < 10; i++)
            await circuit.ReportAsync(isGood ? null : Failure(ProviderError.Timeout));

        Assert.That((circuit.GetHealth().State, circuit.GetHealth().LastError), Is.EqualTo((CandidateState.Open, ProviderError.Unauthorized)));
    }

    [Test]
    public async Task TryCall_RefusedAndTheTryIsCancelled_IsTriedAgainLater()
    {
        Log.Expect("a, model is left alone for 00:01:00: Unauthorized");
        await CallAsync(Failure(ProviderError.Unauthorized));
        Time.Advance(TimeSpan.FromMinutes(1));

        await CancelAsync();
        var (state, isOpen) = (circuit.GetHealth().State, circuit.IsOpen);
        Time.Advance(TimeSpan.FromMinutes(1));
        await CallAsync((ProviderException?)null);

        Assert.That((state, isOpen, circuit.GetHealth().State), Is.EqualTo((CandidateState.Open, true, CandidateState.Closed)));
    }

    [Test]
    public async Task TryCall_ProviderAsksForAVeryLongWait_IsBounded()
    {
        Log.Expect("a, model is left alone for 00:01:00: RateLimited");

        await CallAsync(Failure(ProviderError.RateLimited, retryAfter: TimeSpan.FromHours(3)));

        Assert.That(circuit.GetWait(), Is.EqualTo(TimeSpan.FromMinutes(1)));
    }

    [Test]
    public async Task TryCall_ManyAtOnce_AllAreMadeAndTheyEndInOneWarning()
    {
        Log.Expect("a, model is left alone");

        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(() => TryAsync(Failure(ProviderError.Unavailable)))));

        Assert.That((circuit.IsOpen, Log.Entries.Count(e => e.IsProblem)), Is.EqualTo((true, 1)));
    }

    [Test]
    public void Health_NoFirstTokenYet_HasNoTime()
    {
        Assert.That(circuit.GetHealth(), Is.EqualTo(new CandidateHealth(CandidateState.Closed, Time.GetUtcNow(), null, null)));
    }

    [TestCase(1, 1)]
    [TestCase(3, 2)]
    [TestCase(64, 33)]
    [TestCase(65, 34)]
    [TestCase(1000, 969)]
    public void Health_FirstTokens_IsTheMedianOfTheLast64(int count, int median)
    {
        for (var i = 1; i <= count; i++)
            circuit.ReportFirstToken(TimeSpan.FromSeconds(i));

        Assert.That(circuit.GetHealth().TimeToFirstToken, Is.EqualTo(TimeSpan.FromSeconds(median)));
    }

    private async Task OpenAsync()
    {
        Log.Expect("a, model is left alone for 00:00:15");
        var failure = Failure(ProviderError.Unavailable);
        await CallAsync(failure, failure, failure, failure);
    }

    private async Task CallAsync(params ProviderException?[] ends)
    {
        foreach (var end in ends)
            await TryAsync(end);
    }

    private async Task<bool> TryAsync(ProviderException? end) => await circuit.TryCallAsync(() =>
    {
        Interlocked.Increment(ref calls);
        return ValueTask.FromResult(end);
    });

    private async Task CancelAsync() =>
        await Assert.ThatAsync(
            () => circuit.TryCallAsync(() => ValueTask.FromException<ProviderException?>(new OperationCanceledException())).AsTask(),
            Throws.InstanceOf<OperationCanceledException>());
}
