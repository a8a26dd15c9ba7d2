using System.Text;

namespace AiChat.Tests.Support;

/// <summary>What a client of the inference routes has: the text it shows and how that ended, over as many connections as it takes.</summary>
public sealed class TextTranscript(Uri server, string path)
{
    private readonly StringBuilder text = new();
    private readonly List<SseEvent> events = [];

    public string Text => text.ToString();

    public IReadOnlyList<SseEvent> Events => events;

    /// <summary>The event <c>end</c>; null before it.</summary>
    public SseEvent? End { get; private set; }

    /// <summary>What the end says of the reply.</summary>
    public string? Status => End?.Json.Text("status");

    /// <summary>Where a further connection goes on; null before the first event.</summary>
    public string? LastEventId { get; set; }

    public string RunId => LastEventId!.Split(':')[0];

    /// <summary>Asks on a connection of its own, with the id of the last event where there is one.</summary>
    public Task<SseConnection> OpenAsync()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, path));
        request.Headers.Add("Accept", "text/event-stream");
        if (LastEventId is not null)
            request.Headers.Add("Last-Event-ID", LastEventId);
        return SseConnection.OpenAsync(request);
    }

    /// <summary>Reads on until the text is this long.</summary>
    public async Task ReadTextAsync(SseConnection connection, int length)
    {
        while (text.Length < length)
            await ReadEventAsync(connection);
    }

    /// <summary>Reads the next event, which must be there.</summary>
    public async Task ReadEventAsync(SseConnection connection) =>
        Add(await connection.ReadEventAsync() ?? throw new InvalidOperationException($"The stream ended behind {Text}"));

    /// <summary>Reads on to the end of the answer.</summary>
    public async Task ReadToEndAsync(SseConnection connection)
    {
        if (!connection.IsEventStream)
            Assert.Fail($"{connection.Status}, no stream: {(await connection.ReadReplyAsync()).Text}");
        while (await connection.ReadEventAsync() is { } next)
            Add(next);
    }

    /// <summary>Asks and reads to the end of the answer.</summary>
    public async Task<TextTranscript> ReadAsync()
    {
        using var connection = await OpenAsync();
        await ReadToEndAsync(connection);
        return this;
    }

    private void Add(SseEvent next)
    {
        Assert.That(next.Id, Is.Not.Null.And.Not.EqualTo(LastEventId), "the id of an event");
        Assert.That(End, Is.Null, "nothing comes behind the end");
        events.Add(next);
        LastEventId = next.Id;
        if (next.Name == "message")
            text.Append(next.Data);
        else if (next.Name == "snapshot")
            text.Clear().Append(next.Json.Text("text"));
        else if (next.Name == "end")
            End = next;
    }
}
