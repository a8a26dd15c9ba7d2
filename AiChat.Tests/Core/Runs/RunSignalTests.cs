using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

public sealed class RunSignalTests
{
    /// <summary>Only ever waited for in full by a test that fails.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private RunSignal signal = null!;

    [SetUp]
    public void SetUp()
    {
        // As in the host: with one, whoever waits goes on elsewhere.
        SynchronizationContext.SetSynchronizationContext(null);
        signal = new RunSignal();
    }

    [Test]
    public void WaitAsync_NotSet_Waits()
    {
        var wait = signal.WaitAsync();

        Assert.That(wait.IsCompleted, Is.False);
    }

    [Test]
    public void WaitAsync_SetBefore_EndsAtOnce()
    {
        signal.Set();

        var wait = signal.WaitAsync();

        Assert.That(wait.IsCompletedSuccessfully, Is.True);
    }

    [Test]
    public async Task Set_SomebodyWaits_WakesThem()
    {
        var wait = signal.WaitAsync().AsTask();

        signal.Set();

        await wait.WaitAsync(LongestWait);
        Assert.That(wait.IsCompletedSuccessfully, Is.True);
    }

    [Test]
    public async Task Set_ManyTimesWhileNobodyWaits_IsOneSignal()
    {
        signal.Set();
        signal.Set();
        signal.Set();
        await signal.WaitAsync();

        var second = signal.WaitAsync();

        Assert.That(second.IsCompleted, Is.False);
    }

    [Test]
    public void Set_AgainAfterTheWaiterWasWoken_IsKeptForTheNextWait()
    {
        _ = signal.WaitAsync().AsTask();
        signal.Set(isInline: true);
        signal.Set();

        var second = signal.WaitAsync();

        Assert.That(second.IsCompletedSuccessfully, Is.True);
    }

    [Test]
    public void Set_Inline_WaiterGoesOnBeforeItReturns()
    {
        var waiter = WaitAndTellThreadAsync();

        signal.Set(isInline: true);

        Assert.That(waiter.IsCompleted, Is.True);
        Assert.That(waiter.Result, Is.EqualTo(Environment.CurrentManagedThreadId));
    }

    [Test]
    public void Set_NotInline_WaiterGoesOnOnAnotherThread()
    {
        var waiter = WaitAndTellThreadAsync();

        signal.Set();

        // Blocks this thread, so it cannot be the one that goes on.
        Assert.That(waiter.Wait(LongestWait), Is.True);
        Assert.That(waiter.Result, Is.Not.EqualTo(Environment.CurrentManagedThreadId));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task WaitAsync_SetByAnotherThreadAgainAndAgain_MissesNothing(bool isInline)
    {
        const int Count = 100_000;
        var written = 0;
        var read = Task.Run(ReadAsync);

        for (var i = 1; i <= Count; i++)
        {
            Volatile.Write(ref written, i);
            signal.Set(isInline);
        }

        Assert.That(await read.WaitAsync(LongestWait), Is.EqualTo(Count));

        async Task<int> ReadAsync()
        {
            var seen = 0;
            while ((seen = Volatile.Read(ref written)) < Count)
                await signal.WaitAsync();
            return seen;
        }
    }

    private async Task<int> WaitAndTellThreadAsync()
    {
        await signal.WaitAsync();
        return Environment.CurrentManagedThreadId;
    }
}
