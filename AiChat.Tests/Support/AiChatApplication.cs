using System.Net.Http.Json;
using System.Text;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Nodes;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Runs;
using AiChat.Tests.Infrastructure.Persistence;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiChat.Tests.Support;

/// <summary>
/// The whole application as it is shipped: real Kestrel on a free port of loopback, a real database of its own. It is configured by
/// <c>appsettings.json</c> and the test, by nothing else: neither the environment nor an <c>.env</c> of the machine it runs on counts.
/// </summary>
public sealed class AiChatApplication : IAsyncDisposable
{
    /// <summary>The key the application gives to the <see cref="FakeLlm"/>.</summary>
    public const string GroqKey = "gsk_test_5ecret";

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan LongestFill = TimeSpan.FromMinutes(5);

    private readonly Factory factory;
    private readonly TempFolder folder;

    private AiChatApplication(Factory factory, TempFolder folder)
    {
        this.factory = factory;
        this.folder = folder;
        Client = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = factory.ClientOptions.BaseAddress,
        };
    }

    public HttpClient Client { get; }

    public CapturedLog Log => factory.Log;

    public IServiceProvider Services => factory.Services;

    /// <param name="settings">Settings over those of <c>appsettings.json</c>, with colons; of two for one key the last counts.</param>
    /// <param name="services">Replaces services, for what cannot be provoked from outside.</param>
    public static AiChatApplication Start(
        IEnumerable<(string Key, string Value)> settings, Action<IServiceCollection>? services = null)
    {
        var folder = new TempFolder();
        var factory = new Factory(new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase)
        {
            ["DATABASE_URL"] = FolderDatabase.GetSqliteUrl(folder.Path),
            // A failure that a test asks for is one its client sees.
            ["Routing:Retries"] = "0",
            // Calls of the model are counted; tests of titles switch them on.
            ["Titles:Enabled"] = "false",
        }, services);
        try
        {
            foreach (var (key, value) in FolderDatabase.GetSettings(folder.Path).Concat(settings))
                factory.Settings[key] = value;
            factory.UseKestrel(0);
            factory.StartServer();
            return new AiChatApplication(factory, folder);
        }
        catch
        {
            factory.Dispose();
            folder.Dispose();
            throw;
        }
    }

    public Task<ApiReply> GetAsync(string path) => RequestAsync(HttpMethod.Get, path);

    public Task<ApiReply> DeleteAsync(string path) => RequestAsync(HttpMethod.Delete, path);

    /// <param name="path">Path and query.</param>
    /// <param name="body">Becomes JSON with the names it has here.</param>
    public Task<ApiReply> PostAsync(string path, object body) => RequestAsync(HttpMethod.Post, path, JsonContent.Create(body));

    /// <param name="path">Path and query.</param>
    /// <param name="json">Sent as it is.</param>
    public Task<ApiReply> PostJsonAsync(string path, string json) => RequestAsync(HttpMethod.Post, path, ToContent(json));

    /// <inheritdoc cref="PostAsync"/>
    public Task<ApiReply> PutAsync(string path, object body) => RequestAsync(HttpMethod.Put, path, JsonContent.Create(body));

    /// <inheritdoc cref="PostAsync"/>
    public Task<ApiReply> PatchAsync(string path, object body) => RequestAsync(HttpMethod.Patch, path, JsonContent.Create(body));

    /// <inheritdoc cref="PostJsonAsync"/>
    public Task<ApiReply> PatchJsonAsync(string path, string json) => RequestAsync(HttpMethod.Patch, path, ToContent(json));

    /// <inheritdoc cref="PostJsonAsync"/>
    public Task<ApiReply> PutJsonAsync(string path, string json) => RequestAsync(HttpMethod.Put, path, ToContent(json));

    public async Task<ApiReply> RequestAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var response = await Client.SendAsync(request);
        return await ApiReply.ReadAsync(response);
    }

    /// <summary>Makes a chat and returns its id.</summary>
    public async Task<string> CreateChatAsync(string userId = "alice", string? model = null, string? systemPrompt = null)
    {
        var reply = await PostAsync("/chats", new { user_id = userId, title = "A chat", model, system_prompt = systemPrompt });
        Assert.That(reply.Status, Is.EqualTo(201), reply.Text);
        return reply.Json.Text("id")!;
    }

    /// <summary>Sends a message to a chat and waits for whatever the answer is.</summary>
    public Task<ApiReply> SendAsync(string chatId, string message, string userId = "alice") =>
        PostAsync("/chat", new { chat_id = chatId, user_id = userId, message });

    public Task<ApiReply> GetMessagesAsync(string chatId, string userId = "alice") => GetAsync($"/chats/{chatId}/messages?user_id={userId}");

    /// <summary>Waits until the chat has that many messages: for what arrives while its sender still waits for a reply.</summary>
    public async Task WaitForMessagesAsync(string chatId, int count, string userId = "alice")
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        while ((await GetAsync($"/chats/{chatId}?user_id={userId}")).Json.Number("message_count") < count)
            timeout.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Waits until the chat's newest message has this status.</summary>
    public async Task WaitForStatusAsync(string chatId, string status, string userId = "alice")
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        while ((await GetAsync($"/chats/{chatId}/messages?user_id={userId}&limit=1")).Json[0].Text("status") != status)
            timeout.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Stores turns in an empty chat as sends would, without asking a model.</summary>
    public async Task FillAsync(string chatId, IReadOnlyList<(string Message, string Reply)> turns, string userId = "alice")
    {
        var database = Services.GetRequiredService<IDatabase>();
        // As another process that is alive: the application would settle what it does not execute itself.
        var node = new Node();
        var nodes = new NodeRepository(database, node);
        await nodes.RenewAsync(LongestFill, CancellationToken.None);
        var runs = new RunRepository(database, node);
        var now = TimeProvider.System.GetUtcNow();
        var writes = new List<Task>();
        for (var i = 0; i < turns.Count; i++)
        {
            var run = ToRun(chatId, userId, turns[i].Message, now);
            await AddAsync(runs.StartAsync(run, CancellationToken.None));
            await AddAsync(runs.FinishAsync(ToResult(run, (2 * i) + 2, turns[i].Reply), CancellationToken.None));
        }

        await Task.WhenAll(writes);
        await nodes.LeaveAsync(CancellationToken.None);

        // SQLite stores them in the order of the calls, many in one transaction; elsewhere the order is that of the ends.
        Task AddAsync(Task write)
        {
            writes.Add(write);
            return FolderDatabase.Engine == Engine.Sqlite ? Task.CompletedTask : write;
        }
    }

    /// <summary>Stops the application and checks its log.</summary>
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await factory.DisposeAsync();
        folder.Dispose();
        Log.AssertNothingUnexpected();
    }

    private static StringContent ToContent(string json) => new(json, Encoding.UTF8, "application/json");

    private static NewRun ToRun(string chatId, string userId, string message, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7().ToString(),
        ChatId = chatId,
        UserId = userId,
        UserMessageId = Guid.CreateVersion7().ToString(),
        AssistantMessageId = Guid.CreateVersion7().ToString(),
        Message = message,
        Alias = "fast",
        CreatedAt = now,
    };

    private static RunResult ToResult(NewRun run, int sequence, string reply) => new()
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserId = run.UserId,
        Alias = run.Alias,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        AssistantSequence = sequence,
        Status = RunStatus.Completed,
        Reply = reply,
        Provider = "groq",
        Model = "openai/gpt-oss-20b",
        CompletedAt = run.CreatedAt,
    };

    private sealed class Factory(Dictionary<string, string?> settings, Action<IServiceCollection>? services) : WebApplicationFactory<Program>
    {
        public Dictionary<string, string?> Settings => settings;

        public CapturedLog Log { get; } = new();

        protected override IHost CreateHost(IHostBuilder builder)
        {
            builder.UseEnvironment(Environments.Production);
            builder.ConfigureAppConfiguration((_, configuration) =>
            {
                // Whatever the application has read by now came with the machine, except for its own defaults.
                configuration.Sources.Clear();
                configuration.AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: false);
                configuration.AddInMemoryCollection(settings);
                configuration.AddInMemoryCollection(
                [
                    new("Urls", "http://127.0.0.1:0"),
                    // Nothing on the console: the captured log has it, and a failing test shows the part that counts.
                    new("Logging:Serilog:LogLevel:Default", "None"),
                ]);
            });
            return base.CreateHost(builder);
        }

        protected override void ConfigureWebHost(IWebHostBuilder builder)
        {
            builder.ConfigureLogging(logging => logging.AddProvider(Log));
            if (services is not null)
                builder.ConfigureTestServices(services);
        }
    }
}
