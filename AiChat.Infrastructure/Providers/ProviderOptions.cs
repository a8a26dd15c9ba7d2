using AiChat.Core.Models;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Providers;

/// <summary>The backends models come from: every subsection of <c>Providers</c> is one.</summary>
public sealed class ProvidersOptions
{
    public const string Section = "Providers";

    /// <summary>Provider name to its settings, compared without case.</summary>
    public Dictionary<string, ProviderOptions> Providers { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Values that could not be read at all; the validator reports them with everything else.</summary>
    internal List<string> Unreadable { get; } = [];

    /// <summary>Reads the section, and a key the section does not give from its short name at the root: <c>GROQ_API_KEY</c>.</summary>
    public void Bind(IConfiguration section, IConfiguration root)
    {
        foreach (var settings in section.GetChildren())
            Providers[settings.Key] = Read(settings);
        foreach (var (name, provider) in Providers)
            provider.ApiKey = ReadKey(provider.ApiKey) ?? ReadKey(root[ProviderOptions.KeySetting(name)]);
    }

    private ProviderOptions Read(IConfigurationSection settings)
    {
        var isOffline = settings.Key.Equals(ModelRegistry.OfflineProvider, StringComparison.OrdinalIgnoreCase);
        var provider = new ProviderOptions { Kind = isOffline ? ProviderOptions.OfflineKind : ProviderOptions.OpenAiKind };
        try
        {
            settings.Bind(provider);
        }
        catch (InvalidOperationException failure)
        {
            Unreadable.Add($"{failure.Message} Write a value of that type.");
        }

        return provider;
    }

    private static string? ReadKey(string? value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();
}

/// <summary>One backend.</summary>
public sealed class ProviderOptions
{
    /// <summary>Any server that speaks OpenAI's chat completions.</summary>
    public const string OpenAiKind = "openai";

    /// <summary>The built-in backend that needs no network.</summary>
    public const string OfflineKind = "offline";

    public const string MaxTokens = "max_tokens";
    public const string MaxCompletionTokens = "max_completion_tokens";

    /// <summary>How the backend is spoken to: <c>openai</c> or <c>offline</c>.</summary>
    public string Kind { get; set; } = OpenAiKind;

    /// <summary>The address <c>/chat/completions</c> is appended to, such as <c>https://api.groq.com/openai/v1</c>.</summary>
    public string BaseUrl { get; set; } = "";

    /// <summary>Sent as the bearer token; when empty, the value of <c>&lt;NAME&gt;_API_KEY</c> is taken, and null means there is none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>Whether the backend is left out as long as it has no key; false for servers that want none.</summary>
    public bool RequiresApiKey { get; set; } = true;

    /// <summary>Longest wait for a whole answer; for a streamed one, for its beginning and then for each further piece.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>The request's field for the longest answer: <c>max_tokens</c>, or <c>max_completion_tokens</c> as newer OpenAI models want it.</summary>
    public string MaxTokensField { get; set; } = MaxTokens;

    /// <summary>The short name a provider's key may be given under: <c>GROQ_API_KEY</c> for <c>groq</c>.</summary>
    public static string KeySetting(string provider) =>
        string.Concat(provider.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_')) + "_API_KEY";

    internal bool IsKind(string kind) => Kind.Equals(kind, StringComparison.OrdinalIgnoreCase);
}

public sealed class ProvidersOptionsValidator : IValidateOptions<ProvidersOptions>
{
    /// <summary>The longest time a timer can be set to.</summary>
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(1);

    public ValidateOptionsResult Validate(string? name, ProvidersOptions options)
    {
        var problems = new List<string>(options.Unreadable);
        foreach (var (provider, settings) in options.Providers)
            problems.AddRange(Check($"{ProvidersOptions.Section}:{provider}", provider, settings));
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> Check(string key, string provider, ProviderOptions settings)
    {
        var isOpenAi = settings.IsKind(ProviderOptions.OpenAiKind);
        if (provider.Equals(ModelRegistry.OfflineProvider, StringComparison.OrdinalIgnoreCase) && !settings.IsKind(ProviderOptions.OfflineKind))
            yield return $"{key}:Kind is '{settings.Kind}', but this name belongs to the built-in backend: write offline, or choose another name.";
        else if (!isOpenAi && !settings.IsKind(ProviderOptions.OfflineKind))
            yield return $"{key}:Kind is '{settings.Kind}': write openai or offline.";
        if (isOpenAi && !IsHttpUrl(settings.BaseUrl))
            yield return $"{key}:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.";
        if (settings.ApiKey is not null && settings.ApiKey.Any(c => c is <= ' ' or > '~'))
            yield return $"{key}:ApiKey (or {ProviderOptions.KeySetting(provider)}) has spaces, line breaks or non-ASCII characters in it: copy the key again.";
        if (settings.Timeout <= TimeSpan.Zero || settings.Timeout > LongestTimeout)
            yield return $"{key}:Timeout is {settings.Timeout}: write a time above zero and up to a day, such as 00:02:00.";
        if (settings.MaxTokensField is not (ProviderOptions.MaxTokens or ProviderOptions.MaxCompletionTokens))
            yield return $"{key}:MaxTokensField is '{settings.MaxTokensField}': write {ProviderOptions.MaxTokens} or {ProviderOptions.MaxCompletionTokens}.";
    }

    /// <summary>The address itself stays out of messages: it may carry a password.</summary>
    private static bool IsHttpUrl(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}
