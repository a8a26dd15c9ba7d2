using System.Globalization;
using AiChat.Core.Runs;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>How long and how wild; see docs/reliability.md.</summary>
internal sealed record ChaosOptions
{
    /// <summary>How often a process is killed.</summary>
    public required int Kills { get; init; }

    /// <summary>
    /// Decides everything that is random about clients, texts and the times between kills. What is running at a kill still depends on
    /// the machine, so a seed gives the same kind of run, not the same run.
    /// </summary>
    public required int Seed { get; init; }

    /// <summary>What the server does at a start with the runs it finds unfinished.</summary>
    public required OnRestart OnRestart { get; init; }

    /// <summary>Processes: one on a file, or a few on one PostgreSQL database.</summary>
    public int Nodes { get; init; } = 1;

    /// <summary>See <see cref="RunOptions.LeaseTime"/>: short, so that the runs of a killed process are soon taken over.</summary>
    public TimeSpan LeaseTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Between two kills all processes are up for a quarter of this at least, and for so long at most.</summary>
    public TimeSpan LongestUptime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Clients at work at the same time.</summary>
    public int Clients { get; init; } = 12;

    /// <summary>
    /// From <c>AICHAT_CHAOS_KILLS</c> (20) and <c>AICHAT_CHAOS_SEED</c> (a random one). Half as many kills where runs go on, which is not
    /// what servers do by default.
    /// </summary>
    public static ChaosOptions FromEnvironment(OnRestart onRestart) => new()
    {
        Kills = (Read("AICHAT_CHAOS_KILLS") ?? 20) / (onRestart == OnRestart.Continue ? 2 : 1),
        Seed = Read("AICHAT_CHAOS_SEED") ?? Random.Shared.Next(1, 1_000_000),
        OnRestart = onRestart,
    };

    /// <summary>
    /// The same for two processes on one database; 10 kills unless the variable says another number. One of them is always up, so that both
    /// need not be up for long.
    /// </summary>
    public static ChaosOptions ForTwoNodes(OnRestart onRestart) => FromEnvironment(onRestart) with
    {
        Kills = Read("AICHAT_CHAOS_KILLS") ?? 10,
        Nodes = 2,
        LongestUptime = TimeSpan.FromSeconds(1),
    };

    private static int? Read(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : null;
}
