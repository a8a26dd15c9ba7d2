using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>Says where two texts part.</summary>
public static class TextDifference
{
    private const int Surroundings = 24;

    public static string Describe(string expected, string actual)
    {
        var position = expected.AsSpan().CommonPrefixLength(actual);
        if (position == expected.Length && position == actual.Length)
            return $"equal, {position} characters";
        return $"they part at {position} (lengths {expected.Length} and {actual.Length}), {Around(expected, position)} and {Around(actual, position)}";
    }

    private static string Around(string text, int position)
    {
        var start = Math.Max(0, position - Surroundings);
        return JsonSerializer.Serialize(text[start..Math.Min(text.Length, position + Surroundings)]);
    }
}
