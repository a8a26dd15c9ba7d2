using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>The events of a run, read as they come. Disposing it hangs up.</summary>
[SuppressMessage("Naming", "CA1711", Justification = "What the standard calls it; it is no System.IO.Stream and nobody expects one.")]
public sealed class EventStream : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly HttpResponseMessage response;
    private readonly IAsyncEnumerator<SseItem<string>> items;
    private readonly CancellationTokenSource patience = new();

    private EventStream(HttpResponseMessage response, Stream body)
    {
        this.response = response;
        items = SseParser.Create(body).EnumerateAsync(patience.Token).GetAsyncEnumerator();
    }

    public HttpResponseHeaders Headers => response.Headers;

    /// <summary>Posts and reads the headers of the answer, which must be a stream.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="path">Path and query.</param>
    /// <param name="body">Becomes JSON with the names it has here; null for none.</param>
    /// <param name="headers">The request's headers.</param>
    public static Task<EventStream> PostAsync(HttpClient client, string path, object? body, params (string Name, string Value)[] headers) =>
        OpenAsync(client, HttpMethod.Post, path, body is null ? null : JsonContent.Create(body), headers);

    /// <summary>Follows a run.</summary>
    /// <inheritdoc cref="PostAsync"/>
    public static Task<EventStream> GetAsync(HttpClient client, string path, params (string Name, string Value)[] headers) =>
        OpenAsync(client, HttpMethod.Get, path, content: null, headers);

    /// <summary>The next event; null at the end of the answer.</summary>
    public async Task<StreamEvent?> TryNextAsync()
    {
        patience.CancelAfter(LongestWait);
        return await items.MoveNextAsync() ? StreamEvent.From(items.Current) : null;
    }

    /// <summary>The next event, which must be there.</summary>
    public async Task<StreamEvent> NextAsync() =>
        await TryNextAsync() ?? throw new InvalidOperationException("The stream has ended.");

    /// <summary>Every event up to the end of the answer.</summary>
    public async Task<IReadOnlyList<StreamEvent>> ReadToEndAsync()
    {
        var events = new List<StreamEvent>();
        while (await TryNextAsync() is { } next)
            events.Add(next);
        return events;
    }

    /// <summary>Every event up to the one that makes the text this long.</summary>
    public async Task<IReadOnlyList<StreamEvent>> ReadTextAsync(int length)
    {
        var events = new List<StreamEvent>();
        while (StreamEvent.Join(events).Length < length)
            events.Add(await NextAsync());
        return events;
    }

    public async ValueTask DisposeAsync()
    {
        // Before the enumerator: what it still waits for ends with the connection.
        response.Dispose();
        await items.DisposeAsync();
        patience.Dispose();
    }

    private static async Task<EventStream> OpenAsync(
        HttpClient client, HttpMethod method, string path, HttpContent? content, (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (response.Content.Headers.ContentType?.MediaType != "text/event-stream")
            Assert.Fail($"{(int)response.StatusCode}, no stream: {await response.Content.ReadAsStringAsync()}");
        return new EventStream(response, await response.Content.ReadAsStreamAsync());
    }
}

/// <summary>One event of a run.</summary>
/// <param name="Name">Such as <c>message.delta</c>.</param>
/// <param name="Id">The run and the position in its log.</param>
/// <param name="Data">What it says.</param>
public sealed record StreamEvent(string Name, string Id, JsonElement Data)
{
    public string RunId => Id[..Id.IndexOf(':', StringComparison.Ordinal)];

    public long Sequence => long.Parse(Id.AsSpan(RunId.Length + 1), CultureInfo.InvariantCulture);

    public static StreamEvent From(SseItem<string> item) => new(item.EventType, item.EventId!, JsonElement.Parse(item.Data));

    /// <summary>What a client shows that was sent these events. Every delta must begin where the text before it ends.</summary>
    /// <param name="events">In the order they came.</param>
    /// <param name="shown">What it showed before.</param>
    public static string Join(IEnumerable<StreamEvent> events, string shown = "")
    {
        var text = new StringBuilder(shown);
        foreach (var next in events)
        {
            if (next.Name is "run.started" or "run.snapshot")
                text.Clear();
            if (next.Name == "run.snapshot")
                text.Append(next.Data.Text("text"));
            if (next.Name is not ("message.delta" or "run.continued"))
                continue;
            Assert.That(next.Data.Number("offset"), Is.EqualTo(text.Length), "offset of " + next.Id);
            if (next.Name == "message.delta")
                text.Append(next.Data.Text("text"));
        }

        return text.ToString();
    }
}

/// <summary>Short ways to the streams of an application in a test.</summary>
public static class EventStreaming
{
    /// <summary>Sends a message and reads its answer as events.</summary>
    public static Task<EventStream> StreamAsync(this AiChatApplication app, string chatId, string message, string userId = "alice") =>
        EventStream.PostAsync(app.Client, "/chat", new { chat_id = chatId, user_id = userId, message, stream = true });

    /// <summary>Follows a run.</summary>
    /// <param name="app">The application.</param>
    /// <param name="runId">The run.</param>
    /// <param name="lastEventId">The last event that was seen; null for none.</param>
    public static Task<EventStream> FollowAsync(this AiChatApplication app, string runId, string? lastEventId = null) =>
        EventStream.GetAsync(
            app.Client, $"/runs/{runId}/events?user_id=alice", lastEventId is null ? [] : [("Last-Event-ID", lastEventId)]);

    public static Task<ApiReply> GetRunAsync(this AiChatApplication app, string runId, string userId = "alice") =>
        app.GetAsync($"/runs/{runId}?user_id={userId}");

    public static Task<ApiReply> CancelAsync(this AiChatApplication app, string runId, string userId = "alice") =>
        app.RequestAsync(HttpMethod.Post, $"/runs/{runId}/cancel?user_id={userId}");

    public static Task<ApiReply> RetryAsync(this AiChatApplication app, string runId, string userId = "alice") =>
        app.RequestAsync(HttpMethod.Post, $"/runs/{runId}/retry?user_id={userId}");

    /// <summary>The run of the chat's newest message, which may still go on.</summary>
    public static async Task<string> GetNewestRunAsync(this AiChatApplication app, string chatId) =>
        (await app.GetMessagesAsync(chatId)).Json.Items()[^1].Text("run_id")!;
}
