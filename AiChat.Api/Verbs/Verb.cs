using AiChat.Api.Configuration;
using AiChat.Infrastructure.CommandLine;

namespace AiChat.Api.Verbs;

/// <summary>What the binary does besides serving, by the first word of its command line.</summary>
internal static class Verb
{
    public const string Usage = """
        Usage:
          AiChat.Api [--SETTING VALUE]...
              Serves. Every setting of appsettings.json can be given, such as --Urls http://localhost:8001.
          AiChat.Api migrate [--SETTING VALUE]...
              Brings the schema of the database up to date, and ends.
          AiChat.Api health [--SETTING VALUE]...
              Asks the server of the same machine and settings whether it lives, and ends with 0 when it does.
          AiChat.Api copy --from URL --to URL
              Copies everything from one database into an empty one, SQLite or PostgreSQL, and checks that it is the same there.
          AiChat.Api --version
              Says which version this is.
        """;

    /// <summary>Runs the verb and gives the exit code; null when the command line asks for the server.</summary>
    public static async Task<int?> TryRunAsync(string[] args) => args switch
    {
        ["migrate", .. var rest] => await MigrateVerb.RunAsync(rest, Console.Out, Console.Error),
        ["health", .. var rest] => await HealthVerb.RunAsync(rest),
        ["copy", .. var rest] => await CopyVerb.RunAsync(rest, Console.Out, Console.Error),
        ["help" or "--help" or "-h", ..] => await SayAsync(Console.Out, Usage, ExitCode.Ok),
        ["--version"] => await SayAsync(Console.Out, Banner.Version, ExitCode.Ok),
        [var word, ..] when !IsSetting(word) => await SayAsync(Console.Error, $"'{word}' is no verb.\n{Usage}", ExitCode.Usage),
        _ => null,
    };

    /// <summary>Whether the word is of the forms in which .NET takes settings: <c>--name value</c>, <c>/name value</c>, <c>name=value</c>.</summary>
    public static bool IsSetting(string word) => word.StartsWith('-') || word.StartsWith('/') || word.Contains('=');

    private static async Task<int> SayAsync(TextWriter writer, string text, int exitCode)
    {
        await writer.WriteLineAsync(text);
        return exitCode;
    }
}
