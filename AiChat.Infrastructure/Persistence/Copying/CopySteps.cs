namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>What a copy does at one moment.</summary>
public enum CopyStage
{
    /// <summary>Reads what an earlier run has copied.</summary>
    Checking,
    /// <summary>Reads and writes rows.</summary>
    Copying,
    /// <summary>Reads what was written.</summary>
    Verifying,
}

/// <summary>How far a stage is.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Table">The table it is at.</param>
/// <param name="Rows">Rows that are done.</param>
/// <param name="AllRows">Rows there are.</param>
/// <param name="EarlierRows">Rows of <paramref name="Rows"/> that were done by earlier runs.</param>
public readonly record struct CopyStep(CopyStage Stage, string Table, long Rows, long AllRows, long EarlierRows);

/// <summary>Counts the rows of a stage.</summary>
internal sealed class CopySteps(CopyStage stage, long allRows, Action<CopyStep> report, long earlierRows = 0)
{
    private const int RowsPerReport = 5000;

    /// <summary>Of this run.</summary>
    private long rows;
    private long reported;

    public void Add(Table table, long count)
    {
        rows += count;
        if (rows - reported < RowsPerReport && rows + earlierRows != allRows)
            return;
        reported = rows;
        report(new CopyStep(stage, table.Name, rows + earlierRows, allRows, earlierRows));
    }
}
