using Npgsql;

namespace AiChat.Tests.Support;

/// <summary>A database of a test's own on the shared server, gone with it, whoever is still connected.</summary>
public sealed class PostgresCopy(string server, string name) : IDisposable, IAsyncDisposable
{
    public string Name => name;

    /// <summary>What <c>DATABASE_URL</c> has to be.</summary>
    public string Url { get; } = PostgresServer.ToUrl(server, name);

    private string Drop => $"drop database if exists {name} with (force)";

    public void Dispose()
    {
        using var connection = new NpgsqlConnection(PostgresServer.ToConnectionString(server));
        connection.Open();
        using var command = new NpgsqlCommand(Drop, connection);
        command.ExecuteNonQuery();
    }

    public async ValueTask DisposeAsync()
    {
        await using var connection = await PostgresServer.ConnectAsync(server);
        await using var command = new NpgsqlCommand(Drop, connection);
        await command.ExecuteNonQueryAsync();
    }
}
