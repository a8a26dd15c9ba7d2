using AiChat.Core.Memory;

namespace AiChat.Core.WebSearch;

/// <summary>Takes from texts what says most about a query, within a budget of tokens.</summary>
public static class Excerpts
{
    /// <summary>Stands between passages that do not follow each other.</summary>
    public const string Gap = " … ";

    private const string Neighbours = "\n\n";

    /// <summary>The end of a passage that was cut.</summary>
    private const string Ellipsis = "…";

    /// <summary>A smaller rest of the budget is not worth a part of a passage.</summary>
    private const int FewestTokens = 40;

    private static readonly int GapTokens = TokenEstimator.Count(Gap);

    /// <summary>
    /// For every text its passages in their order; empty where none was taken. They are taken best first as long as there are tokens left, from
    /// one of several texts at most half of them. Passages that share no word with the query are left out, but for the beginning of a text that
    /// has no others: the search engine may know why it named it.
    /// </summary>
    public static IReadOnlyList<string> Select(string query, IReadOnlyList<string> texts, int maxTokens)
    {
        var left = maxTokens;
        var leftOfText = new int[texts.Count];
        Array.Fill(leftOfText, texts.Count > 1 ? maxTokens / 2 : maxTokens);
        var taken = new List<Passage>();
        foreach (var passage in ToCandidates(PassageRanker.Rank(query, texts)))
        {
            if (Fit(passage.Text, Math.Min(left, leftOfText[passage.TextNumber])) is not { } text)
                continue;
            var tokens = TokenEstimator.Count(text) + GapTokens;
            left -= tokens;
            leftOfText[passage.TextNumber] -= tokens;
            taken.Add(passage with { Text = text });
        }

        return [.. texts.Select((_, number) => Join(taken.Where(p => p.TextNumber == number).OrderBy(p => p.Index)))];
    }

    private static IEnumerable<Passage> ToCandidates(IReadOnlyList<Passage> ranked)
    {
        var matching = ranked.Where(p => p.Score > 0).ToList();
        var heard = matching.Select(p => p.TextNumber).ToHashSet();
        return matching.Concat(ranked.Where(p => p.Index == 0 && !heard.Contains(p.TextNumber)));
    }

    /// <summary>The passage, or so many whole words from its beginning as there are tokens for; null when that is next to nothing.</summary>
    private static string? Fit(string passage, int tokens)
    {
        var budget = tokens - GapTokens;
        if (TokenEstimator.Count(passage) <= budget)
            return passage;
        if (budget < FewestTokens)
            return null;
        var head = TokenEstimator.Cut(passage, budget - TokenEstimator.Count(Ellipsis));
        var end = head.AsSpan().LastIndexOfAny(' ', '\n');
        return head[..(end > 0 ? end : head.Length)].TrimEnd() + Ellipsis;
    }

    private static string Join(IEnumerable<Passage> passages)
    {
        var excerpt = "";
        var before = -1;
        foreach (var passage in passages)
        {
            var joint = before < 0 ? "" : before == passage.Index - 1 && !excerpt.EndsWith(Ellipsis, StringComparison.Ordinal) ? Neighbours : Gap;
            excerpt += joint + passage.Text;
            before = passage.Index;
        }

        return excerpt;
    }
}
