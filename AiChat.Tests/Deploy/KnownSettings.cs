using AiChat.Api.Configuration;
using AiChat.Core.WebSearch;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Providers;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Deploy;

/// <summary>What the environment of a server may set: every key of <c>appsettings.json</c>, the short names, and what the platform reads.</summary>
internal static class KnownSettings
{
    private static readonly string[] OfThePlatform = ["DOTNET_EnableDiagnostics"];

    private static readonly IConfigurationRoot File =
        new ConfigurationBuilder().AddJsonFile(Path.Combine(DeployFolder.Repository, SettingsFile.Name)).Build();

    /// <summary>Settings that must stand where secrets stand.</summary>
    public static IReadOnlySet<string> Secret { get; } = new HashSet<string>(
        File.GetSection(ProvidersOptions.Section).GetChildren().Select(p => ProviderOptions.KeySetting(p.Key))
            .Concat([DatabaseOptions.UrlVariable, WebSearchOptions.BraveKeySetting, WebSearchOptions.TavilyKeySetting]));

    private static readonly HashSet<string> Names = new(
        File.AsEnumerable().Where(s => s.Value is not null).Select(s => s.Key.Replace(":", "__", StringComparison.Ordinal))
            .Concat(Secret)
            .Concat(OfThePlatform));

    public static bool Contains(string name) => Names.Contains(name);

    /// <summary>The server's default for a setting, as <c>appsettings.json</c> names it.</summary>
    public static string? GetDefault(string key) => File[key];
}
