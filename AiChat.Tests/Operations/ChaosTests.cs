using AiChat.Core.Runs;
using AiChat.Tests.Operations.Chaos;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>Every promise of docs/reliability.md at once, on a server whose processes are killed at random moments.</summary>
[OwnDatabase]
public sealed class ChaosTests
{
    [Test]
    public async Task Kill_AtRandomMomentsWhileClientsWork_BreaksNoPromise([Values] OnRestart onRestart)
    {
        var report = await RunAsync(ChaosOptions.FromEnvironment(onRestart));

        AssertKept(report);
    }

    [Test]
    public async Task Kill_OfEitherNodeWhileClientsWorkWithBoth_BreaksNoPromise([Values] OnRestart onRestart)
    {
        var report = await RunAsync(ChaosOptions.ForTwoNodes(onRestart));

        AssertKept(report);
        Assert.That(report.Moves, Is.Positive);
    }

    private static Task<ChaosReport> RunAsync(ChaosOptions options) => new ChaosRun(options, TestContext.Progress.WriteLine).RunAsync();

    private static void AssertKept(ChaosReport report)
    {
        TestContext.Out.WriteLine(report.Description);
        Assert.Multiple(() =>
        {
            Assert.That(report.Violations, Has.Count.Zero, report.Description);
            // A run that provoked nothing proves nothing.
            Assert.That(report.Resumes, Is.Positive);
            Assert.That(report.KeyedRetries, Is.Positive);
        });
    }
}
