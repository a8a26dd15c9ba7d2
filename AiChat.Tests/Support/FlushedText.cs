using Dapper;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Support;

/// <summary>What of a run's text is in the database while the run goes on; the server itself shows more.</summary>
public static class FlushedText
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    /// <summary>Waits until that much of it is there.</summary>
    public static async Task WaitForAsync(string databaseFile, string runId, int length)
    {
        using var patience = new CancellationTokenSource(LongestWait);
        await using var connection = new SqliteConnection($"Data Source={databaseFile};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        const string sql = "select coalesce(sum(length(text)), 0) from run_events where run_id = @runId and event = 'message.delta'";
        while (await connection.ExecuteScalarAsync<int>(sql, new { runId }) < length)
            await Task.Delay(10, patience.Token);
    }
}
