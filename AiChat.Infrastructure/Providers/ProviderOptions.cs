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

    /// <summary>Anthropic's own Messages API.</summary>
    public const string AnthropicKind = "anthropic";

    /// <summary>The built-in backend that needs no network.</summary>
    public const string OfflineKind = "offline";

    /// <summary>A header's value that is shorter is a word, and hiding it would spoil other text.</summary>
    private const int ShortestSecret = 8;

    public const string MaxTokens = "max_tokens";
    public const string MaxCompletionTokens = "max_completion_tokens";

    /// <summary>How the backend is spoken to: <c>openai</c>, <c>anthropic</c> or <c>offline</c>.</summary>
    public string Kind { get; set; } = OpenAiKind;

    /// <summary>
    /// The address <c>/chat/completions</c> is appended to, such as <c>https://api.groq.com/openai/v1</c>; for Anthropic the one
    /// <c>/v1/messages</c> is appended to.
    /// </summary>
    public string BaseUrl { get; set; } = "";

    /// <summary>Sent as <see cref="ApiKeyHeader"/> says; when empty, the value of <c>&lt;NAME&gt;_API_KEY</c> is taken, and null means there is none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>Whether the backend is left out as long as it has no key; false for servers that want none.</summary>
    public bool RequiresApiKey { get; set; } = true;

    /// <summary>The header the key is sent in, such as <c>api-key</c>; when empty, <c>Authorization: Bearer</c>, for Anthropic <c>x-api-key</c>.</summary>
    public string ApiKeyHeader { get; set; } = "";

    /// <summary>Sent with every request beside the headers of AiChat, by name.</summary>
    public Dictionary<string, string> Headers { get; set; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whom OpenAI bills when the key belongs to several organizations; empty for the key's own.</summary>
    public string Organization { get; set; } = "";

    /// <summary>Longest wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest wait for the first token of a streamed answer, be it one of reasoning; null for <see cref="Timeout"/>.</summary>
    public TimeSpan? FirstTokenTimeout { get; set; }

    /// <summary>Longest wait for a whole answer; for a streamed one, for its beginning and then for each further piece.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>The request's field for the longest answer: <c>max_tokens</c>, or <c>max_completion_tokens</c> as newer OpenAI models want it.</summary>
    public string MaxTokensField { get; set; } = MaxTokens;

    /// <summary>What must not be repeated anywhere.</summary>
    internal IEnumerable<string> Secrets => Headers.Values.Where(v => v.Length >= ShortestSecret).Append(ApiKey).OfType<string>();

    /// <summary>The short name a provider's key may be given under: <c>GROQ_API_KEY</c> for <c>groq</c>.</summary>
    public static string KeySetting(string provider) =>
        string.Concat(provider.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_')) + "_API_KEY";

    internal bool IsKind(string kind) => Kind.Equals(kind, StringComparison.OrdinalIgnoreCase);
}

public sealed class ProvidersOptionsValidator : IValidateOptions<ProvidersOptions>
{
    /// <summary>The longest time a timer can be set to.</summary>
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(1);

    private static readonly string[] KeyHeaders = ["Authorization", "Proxy-Authorization", "x-api-key", "api-key"];

    private static readonly string[] OwnHeaders =
    [
        "Accept", "Authorization", "Connection", "Expect", "Host", "OpenAI-Organization", "Proxy-Connection", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "User-Agent",
    ];

    public ValidateOptionsResult Validate(string? name, ProvidersOptions options)
    {
        var problems = new List<string>(options.Unreadable);
        foreach (var (provider, settings) in options.Providers)
            problems.AddRange(Check($"{ProvidersOptions.Section}:{provider}", provider, settings));
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> Check(string key, string provider, ProviderOptions settings)
    {
        string[] kinds = [ProviderOptions.OpenAiKind, ProviderOptions.AnthropicKind, ProviderOptions.OfflineKind];
        if (provider.Equals(ModelRegistry.OfflineProvider, StringComparison.OrdinalIgnoreCase) && !settings.IsKind(ProviderOptions.OfflineKind))
            yield return $"{key}:Kind is '{settings.Kind}', but this name belongs to the built-in backend: write offline, or choose another name.";
        else if (!kinds.Any(settings.IsKind))
            yield return $"{key}:Kind is '{settings.Kind}': write openai, anthropic or offline.";
        if (settings.ApiKey is not null && settings.ApiKey.Any(c => c is <= ' ' or > '~'))
            yield return $"{key}:ApiKey (or {ProviderOptions.KeySetting(provider)}) has spaces, line breaks or non-ASCII characters in it: copy the key again.";
        if (settings.MaxTokensField is not (ProviderOptions.MaxTokens or ProviderOptions.MaxCompletionTokens))
            yield return $"{key}:MaxTokensField is '{settings.MaxTokensField}': write {ProviderOptions.MaxTokens} or {ProviderOptions.MaxCompletionTokens}.";
        foreach (var problem in CheckUrl(key, settings).Concat(CheckTimeouts(key, settings)).Concat(CheckHeaders(key, settings)))
            yield return problem;
    }

    /// <summary>The address itself stays out of messages: it may carry a password.</summary>
    private static IEnumerable<string> CheckUrl(string key, ProviderOptions settings)
    {
        var isAnthropic = settings.IsKind(ProviderOptions.AnthropicKind);
        if (!isAnthropic && !settings.IsKind(ProviderOptions.OpenAiKind))
            yield break;
        var example = isAnthropic ? "https://api.anthropic.com" : "https://api.groq.com/openai/v1";
        if (!IsHttpUrl(settings.BaseUrl))
            yield return $"{key}:BaseUrl is not an absolute http or https address: write one such as {example}.";
        else if (isAnthropic && settings.BaseUrl.TrimEnd('/').EndsWith("/v1", StringComparison.Ordinal))
            yield return $"{key}:BaseUrl ends with /v1, which AiChat appends itself: write the address without it, such as {example}.";
    }

    private static IEnumerable<string> CheckTimeouts(string key, ProviderOptions settings)
    {
        (string Name, TimeSpan Value, string Example)[] timeouts =
        [
            (nameof(settings.Timeout), settings.Timeout, "00:02:00"),
            (nameof(settings.ConnectTimeout), settings.ConnectTimeout, "00:00:10"),
            (nameof(settings.FirstTokenTimeout), settings.FirstTokenTimeout ?? settings.Timeout, "00:00:30"),
        ];
        return timeouts.Where(t => t.Name != nameof(settings.FirstTokenTimeout) || settings.FirstTokenTimeout is not null)
            .Where(t => t.Value <= TimeSpan.Zero || t.Value > LongestTimeout)
            .Select(t => $"{key}:{t.Name} is {t.Value}: write a time above zero and up to a day, such as {t.Example}.");
    }

    private static IEnumerable<string> CheckHeaders(string key, ProviderOptions settings)
    {
        if (settings.ApiKeyHeader.Length > 0 && (!IsHeaderName(settings.ApiKeyHeader) || IsOwn(settings.ApiKeyHeader)))
            yield return $"{key}:ApiKeyHeader is '{settings.ApiKeyHeader}': write the name of a header, such as api-key, or nothing for the usual one.";
        if (!IsHeaderValue(settings.Organization))
            yield return $"{key}:Organization has line breaks or non-ASCII characters in it: copy the organization's id again.";
        foreach (var (name, value) in settings.Headers)
        {
            if (IsKeyHeader(name) || name.Equals(settings.ApiKeyHeader, StringComparison.OrdinalIgnoreCase))
                yield return $"{key}:Headers:{name} is for the key: give it as ApiKey, and the header's name as ApiKeyHeader.";
            else if (!IsHeaderName(name) || IsOwn(name))
                yield return $"{key}:Headers:{name} is no header that can be added: take it out.";
            else if (value.Length == 0 || !IsHeaderValue(value))
                yield return $"{key}:Headers:{name} is empty, or has line breaks or non-ASCII characters in it: write its value, or take it out.";
        }
    }

    private static bool IsHttpUrl(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);

    private static bool IsKeyHeader(string name) => KeyHeaders.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Headers that the body, the connection or AiChat itself decide about.</summary>
    private static bool IsOwn(string name) =>
        OwnHeaders.Contains(name, StringComparer.OrdinalIgnoreCase) || name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase);

    private static bool IsHeaderName(string name) =>
        name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));

    private static bool IsHeaderValue(string value) => value.All(c => c is >= ' ' and <= '~');
}
