namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>A copy that came to its end and is equal to its source.</summary>
public sealed record CopyReport
{
    public required IReadOnlyList<CopiedTable> Tables { get; init; }

    /// <summary>Rows that an earlier run had copied.</summary>
    public required long ResumedRows { get; init; }

    /// <summary>An earlier run's rows were dropped, because the source had changed since.</summary>
    public required bool HasBegunAnew { get; init; }

    /// <summary>Texts in which U+0000 was replaced.</summary>
    public required long MendedTexts { get; init; }
}

/// <summary>A table that is the same on both sides.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Rows">How many rows it has.</param>
/// <param name="Hash">Of all its rows, in hexadecimal digits.</param>
public sealed record CopiedTable(string Name, long Rows, string Hash);
