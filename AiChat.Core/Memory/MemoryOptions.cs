using Microsoft.Extensions.Options;

namespace AiChat.Core.Memory;

/// <summary>How much history goes into a prompt.</summary>
public sealed class MemoryOptions
{
    public const string Section = "Memory";

    /// <summary>
    /// Most tokens of earlier messages in one prompt; the model's window may allow fewer. 0 sends none. What tools have found out for the
    /// message that is answered does not count: it may fill the window.
    /// </summary>
    public int HistoryTokens { get; set; } = 4000;

    /// <summary>Tokens of the model's window kept free for the answer when a message does not say <c>max_tokens</c>.</summary>
    public int ReservedForAnswer { get; set; } = 1024;
}

public sealed class MemoryOptionsValidator : IValidateOptions<MemoryOptions>
{
    public ValidateOptionsResult Validate(string? name, MemoryOptions options)
    {
        var problems = new List<string>();
        if (options.HistoryTokens < 0)
            problems.Add($"Memory:HistoryTokens is {options.HistoryTokens}: write how many tokens of earlier messages go into a prompt, 0 or more.");
        if (options.ReservedForAnswer < 1)
            problems.Add($"Memory:ReservedForAnswer is {options.ReservedForAnswer}: write how many tokens to keep free for the answer, 1 or more.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
