namespace AiChat.Tests.Operations.Chaos;

/// <summary>Where the server of a chaos run keeps what it is told, and what can be seen there from outside.</summary>
internal interface IChaosStorage : IAsyncDisposable
{
    /// <summary>What a process of this name has to have for <c>DATABASE_URL</c>.</summary>
    string GetUrl(string process);

    /// <summary>Looks at what a killed process left.</summary>
    Task<ChaosFindings> ExamineAsync(string process);

    /// <summary>Looks at everything, when the last process has ended.</summary>
    Task<ChaosFindings> ExamineAllAsync();

    /// <summary>Waits until the other processes have taken everything from a paused one.</summary>
    Task WaitUntilTakenOverAsync(string process);

    /// <summary>Waits until a process that goes on has learnt what was taken from it.</summary>
    Task WaitUntilAwareAsync(string process);
}

/// <param name="Damage">What must not be there, a sentence each.</param>
/// <param name="Unfinished">Runs without an end.</param>
internal sealed record ChaosFindings(IReadOnlyList<string> Damage, IReadOnlyList<UnfinishedRun> Unfinished)
{
    /// <summary>How many unfinished runs went from one process to another; known when everything is looked at.</summary>
    public int TakenOver { get; init; }
}

internal sealed record UnfinishedRun(string Id, string UserId);
