using DotNetEnv;

namespace AiChat.Api.Configuration;

internal static class ConfigurationSources
{
    /// <summary>
    /// From weak to strong: <c>appsettings.json</c> beside the binary and in the working directory, <c>.env</c> there, the environment,
    /// the command line. One order, however and from wherever the server is started. The JSON files are read again when they change.
    /// </summary>
    public static void UseAiChatSources(this IConfigurationManager configuration, string[] args, string workingDirectory)
    {
        configuration.Sources.Clear();
        foreach (var folder in new[] { AppContext.BaseDirectory, workingDirectory }.Select(GetFolder).Distinct(StringComparer.Ordinal))
            configuration.Sources.Add(new SettingsFile(folder));
        configuration.AddInMemoryCollection(ReadEnvFile(Path.Combine(workingDirectory, ".env")));
        // ASPNETCORE_URLS and its like; the plain names come after them and win.
        configuration.AddEnvironmentVariables("ASPNETCORE_");
        configuration.AddEnvironmentVariables();
        configuration.AddCommandLine(args);
    }

    private static string GetFolder(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>The file's settings, named as the environment names them (<c>Runs__ShutdownTimeout</c>); none when there is no file.</summary>
    private static IEnumerable<KeyValuePair<string, string?>> ReadEnvFile(string path) =>
        File.Exists(path)
            ? Env.NoEnvVars().Load(path).Select(p => KeyValuePair.Create(p.Key.Replace("__", ":", StringComparison.Ordinal), (string?)p.Value))
            : [];
}
