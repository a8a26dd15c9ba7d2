using System.Globalization;

namespace AiChat.Infrastructure.CommandLine;

/// <summary>The options of a verb, each with a value behind it. What is wrong is collected, so that everything can be said at once.</summary>
public sealed class OptionPairs
{
    private readonly Dictionary<string, string> given = new(StringComparer.Ordinal);

    public OptionPairs(string verb, IReadOnlyList<string> args, params string[] known)
    {
        for (var i = 0; i < args.Count; i += 2)
        {
            if (!known.Contains(args[i]))
                Problems.Add($"{Name(args[i])} is no option of {verb}.");
            else if (i + 1 == args.Count)
                Problems.Add($"{args[i]} has no value behind it.");
            else if (!given.TryAdd(args[i], args[i + 1]))
                Problems.Add($"{args[i]} is given twice.");
        }
    }

    public List<string> Problems { get; } = [];

    /// <summary>The option's value; null when it is not given.</summary>
    public string? Find(string name) => given.GetValueOrDefault(name);

    /// <param name="name">The option.</param>
    /// <param name="least">The smallest number it may have.</param>
    /// <param name="most">The largest.</param>
    /// <param name="otherwise">What counts when it is not given; null when it must be.</param>
    public int ReadNumber(string name, int least, int most, int? otherwise = null)
    {
        if (!given.TryGetValue(name, out var text))
        {
            if (otherwise is { } value)
                return value;
            Problems.Add($"{name} is missing: write a number from {least} to {most}.");
        }
        else if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < least || number > most)
        {
            Problems.Add($"{name} is '{text}': write a number from {least} to {most}.");
        }
        else
        {
            return number;
        }

        return least;
    }

    /// <summary>A word that is no option may be a value out of place, with a password in it.</summary>
    private static string Name(string word) => word.StartsWith('-') ? $"'{word.Split('=')[0]}'" : "A word without '--' before it";
}
