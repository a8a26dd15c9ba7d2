using System.Collections.Concurrent;
using System.Text.Json;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Operations.Nodes;

/// <summary>Several servers on one PostgreSQL database, in front of one model that answers each message as it was told to.</summary>
internal sealed class NodeCluster : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly TempFolder folder = new();
    private readonly ConcurrentDictionary<string, LlmReply> replies = new();
    private readonly PostgresCopy database;

    private NodeCluster(PostgresCopy database, FakeLlm llm)
    {
        (this.database, Llm) = (database, llm);
        llm.Handler = request => replies.GetValueOrDefault(request.LastUserMessage, LlmReplies.Answer($"echo: {request.LastUserMessage}"));
    }

    public FakeLlm Llm { get; }

    public IReadOnlyList<AiChatProcess> Nodes { get; private set; } = [];

    public AiChatProcess A => Nodes[0];

    public AiChatProcess B => Nodes[1];

    public AiChatProcess C => Nodes[2];

    /// <summary>What <c>DATABASE_URL</c> is.</summary>
    public string Url => database.Url;

    /// <summary>Servers that take requests; where there is no PostgreSQL, the test ends here, as skipped.</summary>
    public static Task<NodeCluster> StartAsync(int count, params (string Name, string Value)[] settings) => StartPreparedAsync(count, "", settings);

    /// <summary>The same on a database that the statements have changed before.</summary>
    public static async Task<NodeCluster> StartPreparedAsync(int count, string sql, params (string Name, string Value)[] settings)
    {
        var cluster = new NodeCluster(await TestDatabase.CreatePostgresAsync(), await FakeLlm.StartAsync());
        (string, string)[] all =
        [
            ("DATABASE_URL", cluster.Url), ("Database__MaxConnections", "15"), ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", cluster.Llm.BaseUrl),
            .. settings,
        ];
        try
        {
            if (sql.Length > 0)
                await cluster.ExecuteAsync(sql);
            cluster.Nodes = [.. Enumerable.Range(0, count).Select(_ => AiChatProcess.Launch(cluster.folder.Path, FreePort.Find(), all))];
            await Task.WhenAll(cluster.Nodes.Select(n => n.WaitUntilReadyAsync()));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>How the model answers this message; those nobody has said anything of are repeated.</summary>
    public void Answer(string message, LlmReply reply) => replies[message] = reply;

    /// <summary>How often the model was asked this message.</summary>
    public int CountCalls(string message) => Llm.Requests.Count(r => r.LastUserMessage == message);

    public static Task<EventStream> SendAsync(AiChatProcess node, string message, string? chatId = null, string? onBusy = null) =>
        EventStream.PostAsync(node.Client, "/chat", new { chat_id = chatId, message, on_busy = onBusy, stream = true });

    public static Task<EventStream> FollowAsync(AiChatProcess node, string runId, string? lastEventId = null) =>
        EventStream.GetAsync(node.Client, $"/runs/{runId}/events", lastEventId is null ? [] : [("Last-Event-ID", lastEventId)]);

    public static async Task<ApiReply> PostAsync(AiChatProcess node, string path, object body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = System.Net.Http.Json.JsonContent.Create(body) };
        if (key is not null)
            request.Headers.Add("Idempotency-Key", key);
        using var response = await node.Client.SendAsync(request);
        return await ApiReply.ReadAsync(response);
    }

    /// <summary>What the node says at this path as soon as it is what is waited for.</summary>
    public static async Task<JsonElement> WaitForAsync(AiChatProcess node, string path, Func<JsonElement, bool> isEnough)
    {
        using var patience = new CancellationTokenSource(LongestWait);
        while (true)
        {
            var json = await node.GetAsync(path);
            if (isEnough(json))
                return json;
            await Task.Delay(20, patience.Token);
        }
    }

    /// <summary>The first column of every row.</summary>
    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await PostgresServer.ConnectAsync(Url);
        return (await connection.QueryAsync<T>(sql, parameters)).AsList();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await PostgresServer.ConnectAsync(Url);
        await connection.ExecuteAsync(sql);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
            node.Dispose();
        await Llm.DisposeAsync();
        await database.DisposeAsync();
        folder.Dispose();
    }
}
