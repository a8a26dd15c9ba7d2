using AiChat.Core.Models;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Chats;

/// <summary>How chats without a title get one.</summary>
public sealed class TitleOptions
{
    public const string Section = "Titles";

    /// <summary>Whether a chat without a title gets one after its first reply.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The alias that is asked; where the offline backend stands behind it, the title is the beginning of the message.</summary>
    public string Model { get; set; } = ModelsOptions.DefaultAlias;

    /// <summary>Longest prompt in tokens, estimated; message and reply are cut to fit into it.</summary>
    public int MaxInputTokens { get; set; } = 400;

    /// <summary>
    /// Longest answer in tokens. A title needs about ten; models that think before they answer need the others, and say nothing without.
    /// </summary>
    public int MaxOutputTokens { get; set; } = 256;

    /// <summary>Longest time the model may take; then the title is the beginning of the message.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(20);
}

public sealed class TitleOptionsValidator(IEnumerable<IConfigureOptions<ModelsOptions>> models) : IValidateOptions<TitleOptions>
{
    /// <summary>The instruction needs about 60 of them.</summary>
    private const int FewestInputTokens = 100;

    private static readonly TimeSpan LongestTimeout = TimeSpan.FromHours(1);

    public ValidateOptionsResult Validate(string? name, TitleOptions options)
    {
        var problems = new List<string>();
        if (!IsModel(options.Model))
            problems.Add($"Titles:Model is '{options.Model}', which is not in Models: write one of its aliases, such as {ModelsOptions.DefaultAlias}.");
        if (options.MaxInputTokens < FewestInputTokens)
            problems.Add($"Titles:MaxInputTokens is {options.MaxInputTokens}: write a number of tokens, {FewestInputTokens} or more.");
        if (options.MaxOutputTokens < 1)
            problems.Add($"Titles:MaxOutputTokens is {options.MaxOutputTokens}: write a number of tokens, 1 or more.");
        if (options.Timeout <= TimeSpan.Zero || options.Timeout > LongestTimeout)
            problems.Add($"Titles:Timeout is {options.Timeout}: write a time above zero and up to an hour, such as 00:00:20.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    /// <summary>Asks the configured aliases, not the validated ones: those throw where they are wrong, and are reported elsewhere.</summary>
    private bool IsModel(string model)
    {
        var options = new ModelsOptions();
        foreach (var configure in models)
            configure.Configure(options);
        return options.Aliases.ContainsKey(model);
    }
}
