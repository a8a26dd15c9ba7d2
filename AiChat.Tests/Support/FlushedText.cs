using Dapper;

namespace AiChat.Tests.Support;

/// <summary>What of a run's text is in the database while the run goes on; the server itself shows more.</summary>
public static class FlushedText
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    /// <summary>Waits until that much of it is there.</summary>
    /// <param name="folder">The server's.</param>
    /// <param name="runId">The run.</param>
    /// <param name="length">In characters.</param>
    public static async Task WaitForAsync(string folder, string runId, int length)
    {
        using var patience = new CancellationTokenSource(LongestWait);
        await using var connection = await FolderDatabase.ConnectAsync(folder);
        const string sql = "select coalesce(sum(length(text)), 0) from run_events where run_id = @runId and event = 'message.delta'";
        while (await connection.ExecuteScalarAsync<int>(sql, new { runId }) < length)
            await Task.Delay(10, patience.Token);
    }
}
