using AiChat.Core.Errors;
using AiChat.Infrastructure.CommandLine;
using AiChat.Infrastructure.Persistence;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Api.Verbs;

/// <summary>The verb that brings the schema up to date, for deployments that do so before they start servers.</summary>
internal static class MigrateVerb
{
    public const string Usage = """
        Usage: AiChat.Api migrate [--SETTING VALUE]...
          Brings the schema of the database up to date, and ends. Which database that is, DATABASE_URL says, or whatever else the server would
          read. On PostgreSQL it may run several times at once, and while servers of the version before run.
          Exit code: 0 when the schema is current, 1 when it could not be made so, 2 when the command line was not understood.
        """;

    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(Usage);
            return ExitCode.Ok;
        }

        if (FindStrayWords(args).ToList() is { Count: > 0 } strayWords)
        {
            foreach (var place in strayWords)
                await errors.WriteLineAsync($"Word {place} behind migrate is no setting.");
            await errors.WriteLineAsync(Usage);
            return ExitCode.Usage;
        }

        return await DatabaseSettings.ReadAsync(args, errors) is { } options ? await MigrateAsync(options, output, errors) : ExitCode.Failed;
    }

    private static async Task<int> MigrateAsync(DatabaseOptions options, TextWriter output, TextWriter errors)
    {
        try
        {
            using var database = DatabaseUrl.Open(options, NullLoggerFactory.Instance);
            return await MigrateAsync(database, output, errors);
        }
        catch (DatabaseStartupException failure)
        {
            await errors.WriteLineAsync($"Nothing was migrated: {failure.Message}");
            return ExitCode.Failed;
        }
    }

    private static async Task<int> MigrateAsync(IDatabase database, TextWriter output, TextWriter errors)
    {
        try
        {
            var applied = await new Migrator(database, TimeProvider.System, NullLogger<Migrator>.Instance).MigrateAsync();
            foreach (var name in applied)
                await output.WriteLineAsync($"Applied {name}");
            await output.WriteLineAsync($"The schema of {database.Location} is {(applied.Count == 0 ? "current" : "current now")}.");
            return ExitCode.Ok;
        }
        catch (UnavailableException failure)
        {
            await errors.WriteLineAsync($"Nothing was migrated: {database.DescribeFailure(failure.InnerException ?? failure)}");
            return ExitCode.Failed;
        }
    }

    /// <summary>Counted from one: a word that is no setting's name or value. It is not shown, since it may be a URL.</summary>
    private static IEnumerable<int> FindStrayWords(string[] args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            if (!Verb.IsSetting(args[i]))
                yield return i + 1;
            else if (!args[i].Contains('='))
                i++;
        }
    }
}
