using System.Globalization;

namespace AiChat.Core.Memory;

/// <summary>Gives the calls of one prompt ids that every model takes, each of them once.</summary>
internal sealed class ToolCallIds
{
    private const int Longest = 40;

    private readonly HashSet<string> taken = new(StringComparer.Ordinal);

    /// <summary>Whether an id or a name may have the character.</summary>
    public static bool IsAllowed(char character) => char.IsAsciiLetterOrDigit(character) || character is '_' or '-';

    /// <summary>The client's id where it can be used and no other call has it, else one made from the call's place.</summary>
    /// <param name="id">The client's; null when it gave none.</param>
    /// <param name="sequence">The message's.</param>
    /// <param name="number">1, 2, 3… inside the message.</param>
    public string Take(string? id, int sequence, int number)
    {
        if (id is { Length: > 0 and <= Longest } && id.All(IsAllowed) && taken.Add(id))
            return id;

        var made = string.Create(CultureInfo.InvariantCulture, $"call_{sequence}_{number}");
        // Only where a client has written such an id itself.
        for (var again = 2; !taken.Add(made); again++)
            made = string.Create(CultureInfo.InvariantCulture, $"call_{sequence}_{number}_{again}");
        return made;
    }
}
