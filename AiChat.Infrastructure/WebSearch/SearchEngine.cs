namespace AiChat.Infrastructure.WebSearch;

/// <summary>A search engine as people are told about it.</summary>
internal sealed record SearchEngine
{
    /// <summary>As its makers write it.</summary>
    public required string Title { get; init; }

    /// <summary>The setting its address is in.</summary>
    public required string AddressSetting { get; init; }

    /// <summary>What it means, and what to do, where a status means something else with this engine than with others; null where it does not.</summary>
    public required Func<int, string?> Explain { get; init; }
}
