using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>A SQLite file, used by one process at a time.</summary>
internal sealed class ChaosFile : IChaosStorage
{
    private const string DatabaseName = "ai_chat.db";

    private readonly TempFolder folder = new();

    public string GetUrl(string process) => "sqlite:///" + folder.File(DatabaseName);

    /// <summary>Looks into a copy, so that the next start finds everything as it was left.</summary>
    public async Task<ChaosFindings> ExamineAsync(string process)
    {
        using var copy = new TempFolder();
        foreach (var file in new[] { DatabaseName, DatabaseName + "-wal" }.Where(f => File.Exists(folder.File(f))))
            File.Copy(folder.File(file), copy.File(file));
        SqliteLibrary.Load(name: null);
        await using var connection = new SqliteConnection($"Data Source={copy.File(DatabaseName)};Pooling=False");
        await connection.OpenAsync();
        var integrity = await connection.ExecuteScalarAsync<string>("PRAGMA integrity_check");
        var unfinished = await connection.QueryAsync<(string Id, string UserId)>("SELECT id, user_id FROM runs WHERE completed_at IS NULL");
        return new ChaosFindings(
            integrity == "ok" ? [] : [$"SQLite finds the database damaged: {integrity}."],
            [.. unfinished.Select(r => new UnfinishedRun(r.Id, r.UserId))]);
    }

    public Task<ChaosFindings> ExamineAllAsync() => ExamineAsync("");

    public Task WaitUntilTakenOverAsync(string process) => throw new NotSupportedException("Nobody else uses the file.");

    public Task WaitUntilAwareAsync(string process) => throw new NotSupportedException("Nobody else uses the file.");

    public ValueTask DisposeAsync()
    {
        folder.Dispose();
        return ValueTask.CompletedTask;
    }
}
