using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Runs;

/// <summary>What is read of a run while its process writes.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class RunRepositoryRunningTests(Engine engine) : RepositoryTestBase(engine)
{
    [Test]
    public async Task GetAsync_WhileTextsAndSeamsAreStored_NeverSeesOneWithoutTheOther()
    {
        await CreateChatAsync("chat-1");
        await BeginAsync("run-1", "chat-1");

        var writing = Task.Run(WriteAsync);
        var seen = new List<(int Length, int Seams)>();
        do
        {
            var run = (await Database.Runs.GetAsync(Anna, "run-1", None))!;
            seen.Add((run.Reply.Length, run.Marks.Count));
        }
        while (!writing.IsCompleted);

        await writing;
        Assert.That(seen.Where(s => s.Length != 2 * s.Seams), Is.Empty);
    }

    /// <summary>Two characters and a seam behind them, again and again, each time in one transaction.</summary>
    private async Task WriteAsync()
    {
        for (var i = 0; i < 100; i++)
        {
            var (sequence, offset) = (1 + (3 * i), 2 * i);
            await AppendAsync(new RunProgress
            {
                Run = NewRun("run-1", "chat-1"),
                Texts =
                [
                    new RunText("run-1", sequence + 2, offset, "ab"),
                    new RunText("run-1", sequence + 3, offset + 2, "", new RunContinued(sequence + 3, offset + 2, i + 2)),
                ],
                Attempts = [],
            });
        }
    }

    private Task AppendAsync(RunProgress progress) => Database.Runs.AppendAsync([progress], None);
}
