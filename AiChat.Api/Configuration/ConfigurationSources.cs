using DotNetEnv;

namespace AiChat.Api.Configuration;

internal static class ConfigurationSources
{
    /// <summary>
    /// From weak to strong: <c>appsettings.json</c> beside the binary, <c>.env</c> in the working directory, the environment, the
    /// command line. One order, however and from wherever the server is started.
    /// </summary>
    public static void UseAiChatSources(this IConfigurationManager configuration, string[] args, string workingDirectory)
    {
        configuration.Sources.Clear();
        configuration.AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false);
        configuration.AddInMemoryCollection(ReadEnvFile(Path.Combine(workingDirectory, ".env")));
        // ASPNETCORE_URLS and its like; the plain names come after them and win.
        configuration.AddEnvironmentVariables("ASPNETCORE_");
        configuration.AddEnvironmentVariables();
        configuration.AddCommandLine(args);
    }

    /// <summary>The file's settings, named as the environment names them (<c>Runs__ShutdownTimeout</c>); none when there is no file.</summary>
    private static IEnumerable<KeyValuePair<string, string?>> ReadEnvFile(string path) =>
        File.Exists(path)
            ? Env.NoEnvVars().Load(path).Select(p => KeyValuePair.Create(p.Key.Replace("__", ":", StringComparison.Ordinal), (string?)p.Value))
            : [];
}
