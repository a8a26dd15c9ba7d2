using System.Diagnostics;
using System.Globalization;
using AiChat.Core.Errors;
using AiChat.Infrastructure.CommandLine;
using AiChat.Infrastructure.Persistence;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Benchmarks.Seed;

/// <summary>The seed verb: from its command line to its exit code.</summary>
internal static class SeedCommand
{
    private static readonly TimeSpan LongestStatement = TimeSpan.FromMinutes(10);

    public static async Task<int> RunAsync(IReadOnlyList<string> args, TextWriter output, TextWriter errors)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(SeedOptions.Usage);
            return ExitCode.Ok;
        }

        var (options, problems) = SeedOptions.Parse(args);
        if (options is null)
        {
            foreach (var problem in problems)
                await errors.WriteLineAsync(problem);
            await errors.WriteLineAsync(SeedOptions.Usage);
            return ExitCode.Usage;
        }

        try
        {
            await FillAsync(options, output, errors);
            return ExitCode.Ok;
        }
        catch (DatabaseStartupException failure)
        {
            await errors.WriteLineAsync(failure.Message);
        }
        catch (UnavailableException failure)
        {
            await errors.WriteLineAsync($"The database takes no more: {failure.InnerException!.Message}. What was stored so far stays, in whole chats.");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            await errors.WriteLineAsync($"The file of --ids cannot be written: {failure.Message}");
        }

        return ExitCode.Failed;
    }

    private static async Task FillAsync(SeedOptions options, TextWriter output, TextWriter errors)
    {
        // Before the database: an impossible path must not be noticed after an hour.
        await using var ids = options.IdsFile is null ? TextWriter.Null : new StreamWriter(options.IdsFile);
        using var database = DatabaseUrl.Open(new DatabaseOptions { Url = options.DatabaseUrl, CommandTimeout = LongestStatement }, NullLoggerFactory.Instance);
        await new Migrator(database, TimeProvider.System, NullLogger<Migrator>.Instance).MigrateAsync();

        var clock = Stopwatch.StartNew();
        var progress = new ProgressLine(errors, isTerminal: errors == Console.Error && !Console.IsErrorRedirected);
        await new Seeder(database, TimeProvider.System).FillAsync(options, ids, seeded => progress.Show(
            (double)seeded.Chats / seeded.AllChats,
            string.Create(CultureInfo.InvariantCulture, $"{seeded.Chats:N0} of {seeded.AllChats:N0} chats, {seeded.Messages:N0} messages"),
            seeded.Messages));
        progress.End();

        var messages = (long)options.Chats * options.Messages;
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"Stored {options.Chats:N0} chats with {messages:N0} messages in {clock.Elapsed.TotalSeconds:N1} s: {messages / clock.Elapsed.TotalSeconds:N0} messages/s."));
    }
}
