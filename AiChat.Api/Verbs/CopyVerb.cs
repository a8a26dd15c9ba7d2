using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using AiChat.Infrastructure.CommandLine;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Copying;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Api.Verbs;

/// <summary>The verb that copies a database: from its command line to its exit code.</summary>
internal static class CopyVerb
{
    public const string Usage = """
        Usage: AiChat.Api copy --from URL --to URL
          --from URL  the database to copy, as in DATABASE_URL: sqlite:///./ai_chat.db or postgresql://user:password@host:5432/database
          --to URL    the database to fill: empty, or filled in part by this command; the file of SQLite is made when it is not there
          No AiChat may use either of them. When it is ended before its time, however that came, the same command goes on where it was.
          Exit code: 0 when the copy is equal to its source, 1 when it is not made, 2 when the command line was not understood.
        """;

    /// <summary>Some statements are as long as the tables are.</summary>
    private static readonly TimeSpan LongestStatement = TimeSpan.FromHours(1);

    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(Usage);
            return ExitCode.Ok;
        }

        var given = new OptionPairs("copy", args, "--from", "--to");
        var (from, to) = (ReadUrl("--from", "to copy"), ReadUrl("--to", "to fill"));
        if (given.Problems.Count == 0 && from == to)
            given.Problems.Add("--from and --to are the same: write two databases.");
        if (given.Problems.Count > 0)
        {
            foreach (var problem in given.Problems)
                await errors.WriteLineAsync(problem);
            await errors.WriteLineAsync(Usage);
            return ExitCode.Usage;
        }

        if (await DatabaseSettings.ReadAsync([], errors, from) is not { } source || await DatabaseSettings.ReadAsync([], errors, to) is not { } target)
            return ExitCode.Failed;

        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            await CopyAsync(source, target, output, errors, stop.Token);
            return ExitCode.Ok;
        }
        catch (Exception failure) when (failure is CopyException or DatabaseStartupException)
        {
            await errors.WriteLineAsync($"Not copied: {failure.Message}");
        }
        catch (OperationCanceledException)
        {
            await errors.WriteLineAsync("Ended before it was done. What was copied so far stays: run the same command again to go on there.");
        }

        return ExitCode.Failed;

        string ReadUrl(string name, string purpose)
        {
            if (given.Find(name) is not { } url)
                given.Problems.Add($"{name} is missing: write the URL of the database {purpose}.");
            else if (DatabaseUrl.FindProblem(url) is { } problem)
                given.Problems.Add($"{name} {problem}");
            else
                return url;
            return "";
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task CopyAsync(DatabaseOptions from, DatabaseOptions to, TextWriter output, TextWriter errors, CancellationToken cancellationToken)
    {
        if (!DatabaseUrl.IsPostgres(from.Url) && SqliteUrl.Parse(from.Url) is var file && !File.Exists(file))
            throw new CopyException($"There is no file {file}. Check the URL of --from.");

        using var source = Open(from);
        using var target = Open(to);
        var clock = Stopwatch.StartNew();
        var progress = new CopyProgressLine(errors, isTerminal: errors == Console.Error && !Console.IsErrorRedirected);
        CopyReport report;
        try
        {
            report = await new DatabaseCopy(source, target, TimeProvider.System, progress.Show).RunAsync(cancellationToken);
        }
        finally
        {
            progress.End();
        }

        await output.WriteLineAsync(Describe(report, source.Location, target.Location, clock.Elapsed));
    }

    private static IDatabase Open(DatabaseOptions options)
    {
        options.CommandTimeout = LongestStatement;
        return DatabaseUrl.Open(options, NullLoggerFactory.Instance);
    }

    private static string Describe(CopyReport report, string from, string to, TimeSpan time)
    {
        var rows = report.Tables.Sum(t => t.Rows);
        var copied = rows - report.ResumedRows;
        var lines = new List<string>();
        if (report.HasBegunAnew)
            lines.Add("The source had changed since the copy was begun, so it was begun anew.");
        if (report.ResumedRows > 0)
            lines.Add(Say($"{report.ResumedRows:N0} rows had been copied before."));
        lines.Add(Say($"Copied {copied:N0} rows from {from} to {to} in {time.TotalSeconds:N1} s: {copied / time.TotalSeconds:N0}/s."));
        lines.Add("Both have the same rows, by their numbers and hashes:");
        lines.AddRange(report.Tables.Select(t => Say($"  {t.Name,-20} {t.Rows,14:N0}  {t.Hash}")));
        if (report.MendedTexts > 0)
            lines.Add(Say($"Texts in which U+FFFD stands for U+0000, which PostgreSQL cannot store: {report.MendedTexts:N0}."));
        return string.Join('\n', lines);
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
