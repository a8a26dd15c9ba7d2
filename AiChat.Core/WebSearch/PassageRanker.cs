using AiChat.Core.Memory;

namespace AiChat.Core.WebSearch;

/// <summary>
/// Finds the passages of texts that say most about a query, by the words they share with it (Okapi BM25, https://doi.org/10.1561/1500000019).
/// Needs no model and knows no language.
/// </summary>
public static class PassageRanker
{
    /// <summary>A passage is complete when it has so many tokens, estimated; a paragraph on its own may have fewer.</summary>
    public const int FewestTokens = 120;

    /// <summary>Most tokens of a passage, estimated; a longer paragraph is cut, behind a sentence where there is one.</summary>
    public const int MostTokens = 200;

    private const double Saturation = 1.2;
    private const double LengthWeight = 0.75;

    private const int LongestWindow = (MostTokens * TokenEstimator.BytesPerToken) + 1;

    private const string SpacedEnds = ".!?…";
    private const string UnspacedEnds = "。！？";

    /// <summary>All passages of all texts, the best first; those that are equally good in the order of the texts.</summary>
    /// <param name="query">What is looked for.</param>
    /// <param name="texts">Paragraphs are set apart by empty lines.</param>
    public static IReadOnlyList<Passage> Rank(string query, IReadOnlyList<string> texts)
    {
        var passages = texts.SelectMany((text, number) => Split(text).Select((part, index) => new Passage(number, index, part, Score: 0))).ToList();
        var words = SearchWords.Split(query).Distinct(StringComparer.Ordinal).ToDictionary(word => word, _ => 0, StringComparer.Ordinal);
        var counted = passages.ConvertAll(p => Count(p.Text, words));
        var averageLength = counted.Count == 0 ? 0 : counted.Average(c => c.Length);
        return [.. passages.Zip(counted, (p, c) => p with { Score = GetScore(c) })
            .OrderByDescending(p => p.Score).ThenBy(p => p.TextNumber).ThenBy(p => p.Index)];

        double GetScore(WordCount count)
        {
            var length = Saturation * (1 - LengthWeight + (LengthWeight * count.Length / Math.Max(averageLength, 1)));
            // In the order of the query, so that the sum is the same every time.
            return words.Where(w => w.Value > 0).Sum(w => GetRarity(w.Value) * count.Of(w.Key) * (Saturation + 1) / (count.Of(w.Key) + length));
        }

        double GetRarity(int holders) => Math.Log(1 + ((passages.Count - holders + 0.5) / (holders + 0.5)));
    }

    /// <summary>Counts the words that are looked for, and in them the passages that have them.</summary>
    private static WordCount Count(string passage, Dictionary<string, int> words)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        var length = 0;
        foreach (var word in SearchWords.Split(passage))
        {
            length++;
            if (words.ContainsKey(word))
                counts[word] = counts.GetValueOrDefault(word) + 1;
        }

        foreach (var word in counts.Keys)
            words[word]++;
        return new WordCount(length, counts);
    }

    /// <summary>Paragraphs are joined as long as they are short, and cut when they are too long.</summary>
    private static IEnumerable<string> Split(string text)
    {
        var passage = "";
        foreach (var paragraph in ToParagraphs(text).SelectMany(CutLong))
        {
            var joined = passage.Length == 0 ? paragraph : $"{passage}\n\n{paragraph}";
            if (passage.Length > 0 && (TokenEstimator.Count(passage) >= FewestTokens || TokenEstimator.Count(joined) > MostTokens))
            {
                yield return passage;
                joined = paragraph;
            }

            passage = joined;
        }

        if (passage.Length > 0)
            yield return passage;
    }

    private static IEnumerable<string> ToParagraphs(string text)
    {
        var lines = new List<string>();
        foreach (var line in text.ReplaceLineEndings("\n").Split('\n').Select(l => l.Trim()).Append(""))
        {
            if (line.Length > 0)
            {
                lines.Add(line);
            }
            else if (lines.Count > 0)
            {
                yield return string.Join('\n', lines);
                lines.Clear();
            }
        }
    }

    private static IEnumerable<string> CutLong(string paragraph)
    {
        var start = 0;
        while (start < paragraph.Length)
        {
            // One more than a passage can have: a character is a byte at least.
            var window = paragraph.Substring(start, Math.Min(LongestWindow, paragraph.Length - start));
            var fitting = TokenEstimator.Cut(window, MostTokens).Length;
            var length = fitting == window.Length ? fitting : FindEnd(window, fitting);
            if (window.AsSpan(0, length).Trim() is { Length: > 0 } part)
                yield return part.ToString();
            start += length;
        }
    }

    /// <summary>Behind the last sentence when that is in the second half, else behind the last word, else anywhere.</summary>
    private static int FindEnd(string window, int longest)
    {
        for (var end = longest; end > longest / 2; end--)
        {
            if (IsSentenceEnd(window[end - 1], window[end]))
                return end;
        }

        var space = window.AsSpan(0, longest + 1).LastIndexOfAny(' ', '\n');
        return space > 0 ? space : longest;
    }

    private static bool IsSentenceEnd(char last, char next) =>
        SpacedEnds.Contains(last, StringComparison.Ordinal) ? char.IsWhiteSpace(next) : UnspacedEnds.Contains(last, StringComparison.Ordinal);

    /// <param name="Length">All words of the passage.</param>
    /// <param name="Counts">How often it has those that are looked for.</param>
    private sealed record WordCount(int Length, Dictionary<string, int> Counts)
    {
        public int Of(string word) => Counts.GetValueOrDefault(word);
    }
}

/// <summary>A part of a text.</summary>
/// <param name="TextNumber">The text's place in the list, from 0.</param>
/// <param name="Index">Its place in the text, from 0.</param>
/// <param name="Text">The part itself.</param>
/// <param name="Score">How much it says about the query; 0 when it shares no word with it.</param>
public sealed record Passage(int TextNumber, int Index, string Text, double Score);
