using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Runs;

/// <summary>A run's events, read beside and after the request that brought it.</summary>
public sealed class FollowTests : ApiTestBase
{
    private const string Reply = "Grüße 😀!";

    private readonly FakeTime time = new();
    private string chatId = "";

    [Test]
    public async Task Follow_RunGoesOn_ShowsWhatThereIsAndWhatComes()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var seen = await stream.ReadTextAsync("One, ".Length);

        await using var follower = await App.FollowAsync(seen[0].RunId);

        var before = await follower.ReadTextAsync("One, ".Length);
        Llm.Release();
        var after = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(before[0].Name, Is.EqualTo("run.started"));
            Assert.That(StreamEvent.Join([.. before, .. after]), Is.EqualTo("One, two."));
            Assert.That(after[^1].Name, Is.EqualTo("run.completed"));
        });
    }

    /// <summary>A client that heard nothing at all would take the connection for dead.</summary>
    [Test]
    public async Task Follow_NothingToReplay_AnswersAtOnce()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time));
        chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var seen = await stream.ReadTextAsync("One, ".Length);

        // The clock of the application stands still: no interval of silence can end.
        await using var follower = await App.FollowAsync(seen[0].RunId, seen[^1].Id);

        Llm.Release();
        Assert.That(StreamEvent.Join(await follower.ReadToEndAsync(), "One, "), Is.EqualTo("One, two."));
    }

    [Test]
    public async Task Follow_EmptyHeader_LeavesItToTheQuery()
    {
        await StartAsync();
        var (runId, events) = await RunAsync();

        await using var follower = await EventStream.GetAsync(
            App.Client, $"/runs/{runId}/events?user_id=alice&after={events[^2].Sequence}", ("Last-Event-ID", ""));

        Assert.That((await follower.ReadToEndAsync()).Select(e => e.Id), Is.EqualTo(new[] { events[^1].Id }));
    }

    [Test]
    public async Task Follow_RunHasEnded_ShowsAllOfIt()
    {
        await StartAsync();
        var (runId, events) = await RunAsync();
        await using var follower = await App.FollowAsync(runId);

        var again = await follower.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(again[0].Data.GetRawText(), Is.EqualTo(events[0].Data.GetRawText()));
            Assert.That(StreamEvent.Join(again), Is.EqualTo(Reply));
            Assert.That(again[^1].Data.GetRawText(), Is.EqualTo(events[^1].Data.GetRawText()));
            Assert.That(again[^1].Id, Is.EqualTo(events[^1].Id));
        });
    }

    [Test]
    public async Task Follow_Headers_AreThoseOfAStream()
    {
        await StartAsync();
        var (runId, _) = await RunAsync();

        var reply = await App.GetAsync($"/runs/{runId}/events?user_id=alice");

        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.ContentType), Is.EqualTo((200, "text/event-stream")));
            Assert.That(reply.Headers.NonValidated["Cache-Control"].ToString(), Is.EqualTo("no-cache, no-transform"));
            Assert.That(reply.GetHeader("X-Accel-Buffering"), Is.EqualTo("no"));
        });
    }

    [TestCase("{0}:{1}", null)]
    [TestCase("{1}", null)]
    [TestCase(null, "{0}:{1}")]
    [TestCase(null, "{1}")]
    [TestCase("{1}", "1")]
    [TestCase("{1}", "garbage")]
    public async Task Follow_BehindAnEvent_GoesOnRightThere(string? header, string? after)
    {
        await StartAsync();
        var (runId, events) = await RunAsync();
        var delta = events[1];
        await using var follower = await EventStream.GetAsync(
            App.Client,
            $"/runs/{runId}/events?user_id=alice" + (after is null ? "" : "&after=" + Fill(after, delta)),
            header is null ? [] : [("Last-Event-ID", Fill(header, delta))]);

        var rest = await follower.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(rest[0].Data.Number("offset"), Is.EqualTo("Grüße ".Length));
            Assert.That(StreamEvent.Join(rest, shown: "Grüße "), Is.EqualTo(Reply));
        });
    }

    [Test]
    public async Task Follow_BehindEachEvent_MissesNothing()
    {
        await StartAsync();
        using var steps = new SemaphoreSlim(0);
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "One 😀 ", "two 😀 ", "three"));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var events = new List<StreamEvent> { await stream.NextAsync() };
        for (var step = 0; step < 4; step++)
        {
            steps.Release();
            events.Add(await stream.NextAsync());
        }

        var joined = await Task.WhenAll(Enumerable.Range(1, 4).Select(async seen =>
        {
            await using var follower = await App.FollowAsync(events[0].RunId, events[seen - 1].Id);
            return StreamEvent.Join([.. events.Take(seen), .. await follower.ReadToEndAsync()]);
        }));

        Assert.That(joined, Is.All.EqualTo("One 😀 two 😀 three"));
    }

    [TestCase("garbage")]
    [TestCase("-1")]
    [TestCase("+1")]
    [TestCase("1.5")]
    [TestCase("99999999999999999999")]
    [TestCase("0199c0de-0000-7000-8000-000000000000:1")]
    [TestCase("{0}:")]
    [TestCase("{0}:x")]
    [TestCase(":1")]
    public async Task Follow_NoIdOfAnEvent_IsABadRequest(string id)
    {
        await StartAsync();
        var (runId, events) = await RunAsync();

        var byHeader = await App.RequestAsync(
            HttpMethod.Get, $"/runs/{runId}/events?user_id=alice", null, ("Last-Event-ID", Fill(id, events[0])));
        var byQuery = await App.GetAsync($"/runs/{runId}/events?user_id=alice&after={Uri.EscapeDataString(Fill(id, events[0]))}");

        Assert.Multiple(() =>
        {
            Assert.That((byHeader.Status, byHeader.Code), Is.EqualTo((400, "invalid_event_id")));
            Assert.That(byHeader.ErrorFields, Is.EqualTo(new[] { "Last-Event-ID" }));
            Assert.That((byQuery.Status, byQuery.Code), Is.EqualTo((400, "invalid_event_id")));
            Assert.That(byQuery.ErrorFields, Is.EqualTo(new[] { "after" }));
        });
    }

    [Test]
    public async Task Follow_IdOfAnotherRun_IsABadRequest()
    {
        await StartAsync();
        var (runId, _) = await RunAsync();
        var (_, others) = await RunAsync();

        var reply = await App.RequestAsync(HttpMethod.Get, $"/runs/{runId}/events?user_id=alice", null, ("Last-Event-ID", others[1].Id));

        Assert.That((reply.Status, reply.Code), Is.EqualTo((400, "invalid_event_id")));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Follow_AnotherUser_FindsNoSuchRun(bool isRunning)
    {
        await StartAsync();
        Llm.Enqueue(isRunning ? LlmReplies.PausingStream("Secret") : LlmReplies.Answer("Secret"));
        await using var stream = await App.StreamAsync(chatId, "Hi");
        var seen = await stream.ReadTextAsync("Secret".Length);

        var reply = await App.GetAsync($"/runs/{seen[0].RunId}/events?user_id=bob");

        Assert.That((reply.Status, reply.Code), Is.EqualTo((404, "run_not_found")));
        Llm.Release();
        await stream.ReadToEndAsync();
    }

    [TestCase("0199c0de-0000-7000-8000-000000000000", 404, "run_not_found")]
    [TestCase("nonsense", 400, "invalid_id")]
    public async Task Follow_NoSuchRun_IsTold(string runId, int status, string code)
    {
        await StartAsync();

        var reply = await App.GetAsync($"/runs/{runId}/events?user_id=alice");

        Assert.That((reply.Status, reply.Code), Is.EqualTo((status, code)));
    }

    [TestCase("{0}:{1}")]
    [TestCase("{1}")]
    public async Task Follow_BehindTheEnd_HasNoContent(string id)
    {
        await StartAsync();
        var (runId, events) = await RunAsync();

        var reply = await App.RequestAsync(HttpMethod.Get, $"/runs/{runId}/events?user_id=alice", null, ("Last-Event-ID", Fill(id, events[^1])));

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(204));
            Assert.That(reply.Text, Is.Empty);
        });
    }

    [Test]
    public async Task Follow_BeyondTheEnd_IsShownTheWhole()
    {
        await StartAsync();
        var (runId, _) = await RunAsync();
        await using var follower = await App.FollowAsync(runId, "1000");

        var events = await follower.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.snapshot", "run.completed" }));
            Assert.That(events[0].Data.EnumerateObject().Select(p => p.Value.GetString()), Is.EqualTo(new[] { runId, Reply }));
        });
    }

    [Test]
    public async Task Follow_BeyondWhatARunningReplyHas_IsShownTheWholeAndTheRest()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var seen = await stream.ReadTextAsync("One, ".Length);

        await using var follower = await App.FollowAsync(seen[0].RunId, "1000");

        var snapshot = await follower.NextAsync();
        Llm.Release();
        var rest = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(snapshot.Name, Is.EqualTo("run.snapshot"));
            Assert.That(snapshot.Data.Text("text"), Is.EqualTo("One, "));
            Assert.That(StreamEvent.Join([snapshot, .. rest]), Is.EqualTo("One, two."));
        });
    }

    [Test]
    public async Task Follow_InsideACharacter_IsShownTheWhole()
    {
        await StartAsync();
        var (runId, events) = await RunAsync();
        var inside = events[0].Sequence + Reply.IndexOf("😀", StringComparison.Ordinal) + 1;
        await using var follower = await App.FollowAsync(runId, $"{inside}");

        var rest = await follower.ReadToEndAsync();

        Assert.That(StreamEvent.Join(rest), Is.EqualTo(Reply));
    }

    [Test]
    public async Task Follow_ManyAtOnce_AllSeeTheSame()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream(["Once ", .. Enumerable.Range(0, 200).Select(i => $"{i} ")]));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var runId = (await stream.NextAsync()).RunId;
        var followers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => App.FollowAsync(runId)));
        await Task.WhenAll(followers.Select(f => f.ReadTextAsync("Once ".Length)));
        Llm.Release();

        var rests = await Task.WhenAll(followers.Select(f => f.ReadToEndAsync()));

        var expected = (await App.GetMessagesAsync(chatId)).Json[1].Text("content");
        Assert.That(rests.Select(r => StreamEvent.Join(r, shown: "Once ")), Is.All.EqualTo(expected));
        await Task.WhenAll(followers.Select(f => f.DisposeAsync().AsTask()));
    }

    [Test]
    public async Task Follow_SendWithoutStream_SeesItsReplyGrow()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        var sending = App.SendAsync(chatId, "Count");
        await Llm.WaitForRequestsAsync(1);
        await using var follower = await App.FollowAsync(await App.GetNewestRunAsync(chatId));

        var seen = await follower.ReadTextAsync("One, ".Length);

        Assert.That(sending.IsCompleted, Is.False);
        Llm.Release();
        var rest = await follower.ReadToEndAsync();
        var sent = await sending;
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join([.. seen, .. rest]), Is.EqualTo("One, two."));
            Assert.That(rest[^1].Data.GetRawText(), Is.EqualTo(sent.Text));
        });
    }

    [Test]
    public async Task Follow_RunOlderThanItsLog_IsShownTheWhole()
    {
        await StartAsync(("Runs:Retention", "00:00:00"));
        var (runId, _) = await RunAsync();
        await using var follower = await App.FollowAsync(runId);

        var events = await follower.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.started", "run.snapshot", "run.completed" }));
            Assert.That(StreamEvent.Join(events), Is.EqualTo(Reply));
        });
    }

    [Test]
    public async Task Follow_MiddleOfARunOlderThanItsLog_IsShownTheWhole()
    {
        await StartAsync(("Runs:Retention", "00:00:00"));
        var (runId, events) = await RunAsync();
        await using var follower = await App.FollowAsync(runId, events[1].Id);

        var rest = await follower.ReadToEndAsync();

        Assert.That(rest.Select(e => e.Name), Is.EqualTo(new[] { "run.snapshot", "run.completed" }));
    }

    [Test]
    public async Task Follow_FailedRun_EndsWithTheProblem()
    {
        await StartAsync();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await App.SendAsync(chatId, "Hi");
        await using var follower = await App.FollowAsync(failed.Json.Text("run_id")!);

        var events = await follower.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.started", "run.failed" }));
            Assert.That(events[1].Data.Text("code"), Is.EqualTo(failed.Code));
            Assert.That(events[1].Data.Text("detail"), Is.EqualTo(failed.Json.Text("detail")));
        });
    }

    [Test]
    public async Task Follow_NothingHappens_IsKeptAliveWithComments()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time));
        chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.Slow());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/chat")
        {
            Content = System.Net.Http.Json.JsonContent.Create(new { chat_id = chatId, user_id = "alice", message = "Hi", stream = true }),
        };
        using var response = await App.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await lines.ReadLineAsync() != "")
        {
            // The first event.
        }

        await Llm.WaitForRequestsAsync(1);
        time.Advance(TimeSpan.FromSeconds(15));

        Assert.That(await lines.ReadLineAsync(), Is.EqualTo(": keep-alive"));
        Assert.That(await lines.ReadLineAsync(), Is.Empty);
        Llm.Release();
        Assert.That(await lines.ReadLineAsync(), Does.StartWith("id: "));
    }

    private async Task StartAsync(params (string Key, string Value)[] settings)
    {
        StartApp(settings);
        chatId = await App.CreateChatAsync();
    }

    /// <summary>A finished run with two deltas, and the events its sender saw.</summary>
    private async Task<(string RunId, IReadOnlyList<StreamEvent> Events)> RunAsync()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Grüße ", "😀!"));
        await using var stream = await App.StreamAsync(chatId, "Hi");
        var before = await stream.ReadTextAsync("Grüße ".Length);
        Llm.Release();
        return (before[0].RunId, [.. before, .. await stream.ReadToEndAsync()]);
    }

    /// <summary>Puts the event's run and its position in their places.</summary>
    private static string Fill(string format, StreamEvent of) =>
        format.Replace("{0}", of.RunId, StringComparison.Ordinal).Replace("{1}", $"{of.Sequence}", StringComparison.Ordinal);
}
