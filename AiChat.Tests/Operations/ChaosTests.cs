using AiChat.Core.Runs;
using AiChat.Tests.Operations.Chaos;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>Every promise of docs/reliability.md at once, on a server that is killed at random moments.</summary>
[Sqlite]
public sealed class ChaosTests
{
    [Test]
    public async Task Kill_AtRandomMomentsWhileClientsWork_BreaksNoPromise([Values] OnRestart onRestart)
    {
        var run = new ChaosRun(ChaosOptions.FromEnvironment(onRestart), TestContext.Progress.WriteLine);

        var report = await run.RunAsync();

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
