using System.Collections.Concurrent;
using System.Data.Common;
using AiChat.Tests.Infrastructure.Persistence;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Support;

/// <summary>
/// The database of the servers that tests start in a folder: a file there, or, where <see cref="Variable"/> says so, a database of the folder's
/// own on the server of <see cref="PostgresServer"/>, gone with it.
/// </summary>
public static class FolderDatabase
{
    /// <summary>The environment variable that names the engine: <c>sqlite</c>, which is the default, or <c>postgres</c>.</summary>
    public const string Variable = "AICHAT_TEST_ENGINE";

    private const string FileName = "ai_chat.db";

    private static readonly ConcurrentDictionary<string, PostgresCopy> Copies = new(StringComparer.Ordinal);

    public static Engine Engine { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name
        ? Enum.Parse<Engine>(name, ignoreCase: true)
        : Engine.Sqlite;

    /// <summary>What a server in the folder has to be told, with colons; nothing on SQLite, where it finds the file by itself.</summary>
    public static IReadOnlyList<(string Key, string Value)> GetSettings(string folder) => Engine == Engine.Sqlite
        ? []
        :
        [
            ("DATABASE_URL", Copies.GetOrAdd(folder, _ => Create()).Url),
            // Many servers have room beside each other.
            ("Database:MaxConnections", "10"),
            // What a dead server left is soon found.
            ("Runs:LeaseTime", "00:00:01"),
        ];

    /// <summary>What <c>DATABASE_URL</c> has to be for the file in a folder that a server does not work in.</summary>
    public static string GetSqliteUrl(string folder) => "sqlite:///" + Path.Combine(folder, FileName);

    /// <summary>An open connection beside those of the servers, to look at what they have stored.</summary>
    public static async Task<DbConnection> ConnectAsync(string folder)
    {
        if (Engine == Engine.Postgres)
            return await PostgresServer.ConnectAsync(Copies[folder].Url);

        var connection = new SqliteConnection($"Data Source={Path.Combine(folder, FileName)};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>For the end of the folder.</summary>
    public static void Drop(string folder)
    {
        if (Copies.TryRemove(folder, out var copy))
            copy.Dispose();
    }

    /// <summary>Off the thread of the test: applications start in one call that is not asynchronous.</summary>
    private static PostgresCopy Create() => Task.Run(TestDatabase.CreatePostgresAsync).GetAwaiter().GetResult();
}
