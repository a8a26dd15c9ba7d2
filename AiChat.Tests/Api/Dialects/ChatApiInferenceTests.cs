using AiChat.Core.Runs;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The stream that answers the last message of a chat: a GET, and so safe to repeat.</summary>
public sealed class ChatApiInferenceTests : ChatApiTestBase
{
    private static readonly string[] Pieces = ["  Grüße", " 😀", "\n", "\r", "\n", "\r\n", " - one\n  two\r", "data: x\n\n", "\r"];
    private static readonly string Whole = string.Concat(Pieces);
    private static readonly string Shown = Whole.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');

    [Test]
    public async Task Inference_LastHumanMessage_StreamsTheReplyAndStoresIt()
    {
        StartApp();
        var chatId = await AskAsync();
        using var steps = new SemaphoreSlim(0);
        Llm.Enqueue(LlmReplies.SteppedStream(steps, Pieces));
        steps.Release(Pieces.Length + 1);

        var transcript = await Infer(chatId).ReadAsync();

        var messages = await App.GetMessagesAsync(chatId, "default");
        Assert.Multiple(() =>
        {
            Assert.That(transcript.Text, Is.EqualTo(Shown));
            Assert.That(transcript.End!.Data, Is.EqualTo($$"""{"id":"{{messages.Json[1].Text("id")}}","status":"completed"}"""));
            Assert.That(transcript.Events.SkipLast(1).Select(e => e.Name), Is.All.EqualTo("message"));
            Assert.That(transcript.Events.Select(e => e.RunId), Is.All.EqualTo(messages.Json[1].Text("run_id")));
            Assert.That(messages.Json.Texts("role"), Is.EqualTo(new[] { "user", "assistant" }));
            Assert.That(messages.Json[1].Text("content"), Is.EqualTo(Whole));
        });
    }

    [Test]
    public async Task Inference_Pieces_ComeOneByOne()
    {
        StartApp();
        var chatId = await AskAsync();
        using var steps = new SemaphoreSlim(0);
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "One", " two"));
        var transcript = Infer(chatId);
        steps.Release();
        using var connection = await transcript.OpenAsync();
        await transcript.ReadTextAsync(connection, "One".Length);

        steps.Release(2);
        await transcript.ReadToEndAsync(connection);

        Assert.That(transcript.Events.Select(e => e.Data).SkipLast(1), Is.EqualTo(new[] { "One", " two" }));
    }

    [Test]
    public async Task Inference_Headers_AreThoseOfAStream()
    {
        StartApp(("Budgets:PerUser:RequestsPerMinute", "3"));
        var chatId = await AskAsync();

        var first = await App.RequestAsync(HttpMethod.Get, $"/conversations/inference/{chatId}", null, ("x-request-id", "mine"));
        var again = await App.GetAsync($"/conversations/inference/{chatId}");

        Assert.Multiple(() =>
        {
            Assert.That((first.Status, first.ContentType, first.RequestId), Is.EqualTo((200, "text/event-stream", "mine")));
            Assert.That(first.Headers.NonValidated["Cache-Control"].ToString(), Is.EqualTo("no-cache, no-transform"));
            Assert.That(first.GetHeader("X-Accel-Buffering"), Is.EqualTo("no"));
            Assert.That(first.GetHeader("RateLimit"), Does.StartWith("\"user-requests-minute\";r=2"));
            Assert.That(again.GetHeader("RateLimit"), Is.Null);
            Assert.That(again.Text, Is.EqualTo(first.Text));
            Assert.That(App.Log.Entries.Select(e => e.Message), Has.Some.Match("GET /conversations/inference/.id. 200 .* run " + GetRunId(first)));
        });
    }

    [Test]
    public async Task Inference_MessageId_StandsForItsChat()
    {
        StartApp();
        var chatId = await CreateAsync();
        var messageId = await SayAsync(chatId, "First");
        await SayAsync(chatId, "Second");

        var transcript = await Infer(messageId).ReadAsync();

        Assert.That(transcript.Text, Is.EqualTo("echo: Second"));
    }

    [Test]
    public async Task Inference_EarlierMessages_ArePartOfThePrompt()
    {
        StartApp();
        var chatId = await CreateAsync();
        await SayAsync(chatId, "My name is Ada.");
        await SayAsync(chatId, "Hello Ada.", "Assistant");
        await SayAsync(chatId, "What is my name?");

        await Infer(chatId).ReadAsync();

        Assert.That(Llm.Requests[0].Messages, Is.EqualTo(new LlmMessage[]
        {
            new("user", "My name is Ada."), new("assistant", "Hello Ada."), new("user", "What is my name?"),
        }));
    }

    [Test]
    public async Task Inference_SecondWhileTheFirstRuns_AttachesToIt()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        var (first, second) = (Infer(chatId), Infer(chatId));
        using var firstConnection = await first.OpenAsync();
        await first.ReadTextAsync(firstConnection, "One, ".Length);

        using var secondConnection = await second.OpenAsync();
        await second.ReadTextAsync(secondConnection, "One, ".Length);
        Llm.Release();
        await first.ReadTextAsync(firstConnection, "One, two.".Length);
        Llm.Release();
        await Task.WhenAll(first.ReadToEndAsync(firstConnection), second.ReadToEndAsync(secondConnection));

        Assert.That((first.Text, second.Text), Is.EqualTo(("One, two.", "One, two.")));
        Assert.That((second.Status, second.End!.Data), Is.EqualTo(("completed", first.End!.Data)));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Inference_ManyAtOnce_StartOneRun()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Stream(Pieces));

        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Infer(chatId).ReadAsync()));

        Assert.Multiple(() =>
        {
            Assert.That(all.Select(t => t.Text), Is.All.EqualTo(Shown));
            Assert.That(all.Select(t => t.End!.Data).Distinct().Count(), Is.EqualTo(1));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
        Assert.That((await App.GetMessagesAsync(chatId, "default")).Json.GetArrayLength(), Is.EqualTo(2));
    }

    [Test]
    public async Task Inference_AfterTheEnd_ReplaysTheReplyWithoutTheModel()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Stream(Pieces));
        var first = await Infer(chatId).ReadAsync();

        var again = await Infer(chatId).ReadAsync();

        Assert.That((again.Text, again.LastEventId, again.End!.Data), Is.EqualTo((Shown, first.LastEventId, first.End!.Data)));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    /// <summary>Only the whole text is left of it by then.</summary>
    [Test]
    public async Task Inference_LongAfterTheEnd_ReplaysTheReplyAsText()
    {
        var clock = new StoppedClock();
        StartApp(services => services.AddSingleton<TimeProvider>(clock));
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Stream(Pieces));
        var first = await Infer(chatId).ReadAsync();
        clock.Advance(TimeSpan.FromDays(400));

        var again = await Infer(chatId).ReadAsync();

        Assert.That((again.Text, again.End!.Data), Is.EqualTo((Shown, first.End!.Data)));
        Assert.That(again.Events.Select(e => e.Name), Has.None.EqualTo("snapshot"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Inference_BackBehindEachEvent_GetsTheRestOnce(bool isByQuery)
    {
        StartApp();
        var chatId = await AskAsync();
        string[] pieces = ["  One", "\n", " 😀\r", "\n two", "\r\n", "end "];
        using var steps = new SemaphoreSlim(1);
        Llm.Enqueue(LlmReplies.SteppedStream(steps, pieces));
        var whole = Infer(chatId);
        using (var connection = await whole.OpenAsync())
        {
            foreach (var _ in pieces)
            {
                await whole.ReadEventAsync(connection);
                steps.Release();
            }

            await whole.ReadToEndAsync(connection);
        }

        Assert.That(whole.Events, Has.Count.EqualTo(pieces.Length + 1));
        for (var seen = 1; seen < whole.Events.Count; seen++)
        {
            var id = whole.Events[seen - 1].Id!;
            var back = isByQuery ? Infer(chatId, $"?after={id}") : Infer(chatId);
            back.LastEventId = isByQuery ? null : id;
            var rest = await back.ReadAsync();

            var text = string.Concat(whole.Events.Take(seen).Select(e => e.Data)) + rest.Text;
            Assert.That(text, Is.EqualTo("  One\n 😀\n two\nend "), $"behind event {seen}");
        }

        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Inference_BackBehindTheEnd_HasNoContent()
    {
        StartApp();
        var chatId = await AskAsync();
        var transcript = await Infer(chatId).ReadAsync();

        using var again = await transcript.OpenAsync();

        Assert.That(again.Status, Is.EqualTo(204));
    }

    [Test]
    public async Task Inference_BackWhenTheChatHasGoneOn_GetsTheRestOfWhatItSaw()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        var transcript = Infer(chatId);
        using (var connection = await transcript.OpenAsync())
            await transcript.ReadTextAsync(connection, "One, ".Length);
        await SayAsync(chatId, "Next");
        var next = Infer(chatId);
        var reading = next.ReadAsync();
        await FinishAsync(transcript);
        await reading;

        using var end = await transcript.OpenAsync();

        Assert.That((transcript.Text, transcript.Status, end.Status), Is.EqualTo(("One, two.", "completed", 204)));
        Assert.That(next.Text, Is.EqualTo("echo: Next"));
    }

    [Test]
    public async Task Inference_EventOfAnotherChat_BeginsAnew()
    {
        StartApp();
        var other = await Infer(await AskAsync("Other")).ReadAsync();
        var transcript = Infer(await AskAsync("Mine"));
        transcript.LastEventId = other.LastEventId;

        await transcript.ReadAsync();

        Assert.That((transcript.Text, transcript.Events[0].Name), Is.EqualTo(("echo: Mine", "snapshot")));
    }

    /// <summary>A client that has text of an attempt that was replaced is told so.</summary>
    [Test]
    public async Task Inference_BackAfterARetry_EmptiesTheClientFirst()
    {
        StartApp();
        App.Log.Allow("broke off");
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.CutStream("Half"), LlmReplies.Answer("Whole"));
        var transcript = await Infer(chatId).ReadAsync();
        Assert.That((transcript.Text, transcript.Status), Is.EqualTo(("Half", "incomplete")));
        await App.RetryAsync(transcript.RunId, "default");
        var back = new TextTranscript(App.Client.BaseAddress!, $"/conversations/inference/{chatId}") { LastEventId = transcript.Events[0].Id };

        await back.ReadAsync();

        Assert.That((back.Text, back.Status), Is.EqualTo(("Whole", "completed")));
        Assert.That(back.Events[0].Name, Is.EqualTo("snapshot"));
    }

    [Test]
    public async Task Inference_BrokenOffReply_IsReplayedAndNotTriedAgain()
    {
        StartApp();
        App.Log.Allow("broke off");
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.CutStream("Half"));
        var first = await Infer(chatId).ReadAsync();

        var again = await Infer(chatId).ReadAsync();

        Assert.That((again.Text, again.End!.Data), Is.EqualTo(("Half", first.End!.Data)));
        Assert.That(first.End.Json.Text("code"), Is.EqualTo("provider_invalid_response"));
        Assert.That(first.End.Json.Text("detail"), Is.Not.Empty);
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Inference_FailureWithoutText_IsAProblemAndTriedAgainByTheNext()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Status(500), LlmReplies.Answer("Better"));

        var failed = await App.GetAsync($"/conversations/inference/{chatId}");
        var again = await Infer(chatId).ReadAsync();

        var messages = await App.GetMessagesAsync(chatId, "default");
        Assert.Multiple(() =>
        {
            Assert.That((failed.Status, failed.Code, failed.ContentType), Is.EqualTo((502, "provider_unavailable", "application/problem+json")));
            Assert.That(failed.Json.Text("run_id"), Is.EqualTo(again.RunId));
            Assert.That(again.Text, Is.EqualTo("Better"));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hi", "Better" }));
            Assert.That(Llm.Requests, Has.Count.EqualTo(2));
        });
    }

    [Test]
    public async Task Inference_FailureWithoutText_IsNotTriedAgainByWhoComesBack()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await App.GetAsync($"/conversations/inference/{chatId}");

        var back = await App.RequestAsync(
            HttpMethod.Get, $"/conversations/inference/{chatId}", null, ("Last-Event-ID", failed.Json.Text("run_id") + ":1"));

        Assert.That((back.Status, back.Code), Is.EqualTo((502, "provider_unavailable")));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Inference_SlowModel_GetsTheHeadersBeforeTheFirstTextAndTheFailureAsTheEnd()
    {
        var time = new FakeTime();
        StartApp(services => services.AddSingleton<TimeProvider>(time));
        App.Log.Expect("Unavailable");
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Status(500)));
        var transcript = Infer(chatId);
        var opening = transcript.OpenAsync();
        await Llm.WaitForRequestsAsync(1);

        // The clock goes on until the server has found that the client waits.
        while (!opening.IsCompleted)
        {
            time.Advance(RunLog.KeepAliveInterval);
            await Task.WhenAny(opening, Task.Delay(50));
        }

        using var connection = await opening;
        Llm.Release();
        await transcript.ReadToEndAsync(connection);

        Assert.That((connection.Status, transcript.Text, transcript.Status), Is.EqualTo((200, "", "failed")));
        Assert.That(transcript.End!.Json.Text("code"), Is.EqualTo("provider_unavailable"));
        using var again = await transcript.OpenAsync();
        Assert.That(again.Status, Is.EqualTo(204));
    }

    [Test]
    public async Task Inference_NoMessageOfAHuman_HasNothingToAnswer()
    {
        StartApp();
        var chatId = await CreateAsync();
        var empty = await App.GetAsync($"/conversations/inference/{chatId}");
        await SayAsync(chatId, "Welcome!", "Assistant");

        var greeted = await App.GetAsync($"/conversations/inference/{chatId}");

        Assert.That((empty.Status, empty.Code), Is.EqualTo((422, "nothing_to_answer")));
        Assert.That((greeted.Status, greeted.Code), Is.EqualTo((422, "nothing_to_answer")));
        Assert.That(Llm.Requests, Is.Empty);
    }

    [Test]
    public async Task Inference_AnswerStoredByAClient_IsReplayed()
    {
        StartApp();
        var chatId = await AskAsync();
        var answerId = await SayAsync(chatId, Whole, "Assistant");

        var transcript = await Infer(chatId).ReadAsync();

        Assert.That((transcript.Text, transcript.End!.Json.Text("id"), transcript.Status), Is.EqualTo((Shown, answerId, "completed")));
        Assert.That(Llm.Requests, Is.Empty);
        using var again = await transcript.OpenAsync();
        Assert.That(again.Status, Is.EqualTo(204));
    }

    [Test]
    public async Task Inference_BackBehindAnAnswerStoredByAClient_StaysWithItWhenTheChatHasGoneOn()
    {
        StartApp();
        var chatId = await AskAsync();
        var answerId = await SayAsync(chatId, "Stored.", "Assistant");
        var transcript = await Infer(chatId).ReadAsync();
        await SayAsync(chatId, "Next");

        using var end = await transcript.OpenAsync();
        var back = Infer(chatId, $"?after={transcript.Events[0].Id}");
        await back.ReadAsync();

        Assert.That(end.Status, Is.EqualTo(204));
        Assert.That((back.Text, back.End!.Json.Text("id"), back.LastEventId), Is.EqualTo(("", answerId, transcript.LastEventId)));
        Assert.That(Llm.Requests, Is.Empty);
    }

    [Test]
    public async Task Inference_MessageThatIsNoAnswerOfThisChat_BeginsAnew()
    {
        StartApp();
        var others = await SayAsync(await AskAsync("Other"), "Stored.", "Assistant");
        var chatId = await CreateAsync();
        var question = await SayAsync(chatId, "Hi");

        var first = Infer(chatId);
        first.LastEventId = others + ":1";
        await first.ReadAsync();
        var again = Infer(chatId);
        again.LastEventId = question + ":1";
        await again.ReadAsync();

        Assert.That((first.Status, again.Status, again.LastEventId), Is.EqualTo(("completed", "completed", first.LastEventId)));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    [TestCase("garbage")]
    [TestCase("-1")]
    [TestCase("x:1")]
    [TestCase("0199c0de-0000-7000-8000-000000000000:")]
    public async Task Inference_NoIdOfAnEvent_IsABadRequest(string id)
    {
        StartApp();
        var chatId = await AskAsync();

        var byHeader = await App.RequestAsync(HttpMethod.Get, $"/conversations/inference/{chatId}", null, ("Last-Event-ID", id));
        var byQuery = await App.GetAsync($"/conversations/inference/{chatId}?after={id}");

        Assert.That((byHeader.Status, byHeader.Code, byHeader.ErrorFields[0]), Is.EqualTo((400, "invalid_event_id", "Last-Event-ID")));
        Assert.That((byQuery.Status, byQuery.Code, byQuery.ErrorFields[0]), Is.EqualTo((400, "invalid_event_id", "after")));
        Assert.That(Llm.Requests, Is.Empty);
    }

    [Test]
    public async Task Inference_Head_IsRefusedAndStartsNothing()
    {
        StartApp();
        var chatId = await AskAsync();

        var reply = await App.RequestAsync(HttpMethod.Head, $"/conversations/inference/{chatId}");

        Assert.That(reply.Status, Is.EqualTo(405));
        Assert.That((await App.GetMessagesAsync(chatId, "default")).Json.GetArrayLength(), Is.EqualTo(1));
    }

    [Test]
    public async Task Inference_CancelledInTheMiddle_EndsWithWhatThereIs()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        var transcript = Infer(chatId);
        using var connection = await transcript.OpenAsync();
        await transcript.ReadTextAsync(connection, "Once upon ".Length);

        await App.CancelAsync(transcript.RunId, "default");
        await transcript.ReadToEndAsync(connection);

        Assert.That((transcript.Text, transcript.Status, transcript.End!.Json.Text("code")), Is.EqualTo(("Once upon ", "cancelled", "run_cancelled")));
    }

    [Test]
    public async Task Inference_ConnectionLostInTheMiddle_StoresTheWholeReply()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One, ", "two."));
        var transcript = Infer(chatId);
        var connection = await transcript.OpenAsync();
        await transcript.ReadTextAsync(connection, "One, ".Length);

        connection.Drop();
        await FinishAsync(transcript);

        var messages = await App.GetMessagesAsync(chatId, "default");
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json[1].Text("content"), Is.EqualTo("One, two."));
            Assert.That((messages.Json[1].Text("role"), messages.Json[1].Text("status")), Is.EqualTo(("assistant", "completed")));
            Assert.That(transcript.Text, Is.EqualTo("One, two."));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
            Assert.That(Llm.Aborted, Is.Zero);
        });
    }

    [Test]
    public async Task Inference_ChatIsBusy_WaitsForItsTurn()
    {
        StartApp();
        var chatId = await AskAsync("First");
        Llm.Enqueue(LlmReplies.PausingStream("One"));
        var first = Infer(chatId);
        using var connection = await first.OpenAsync();
        await first.ReadTextAsync(connection, "One".Length);
        await SayAsync(chatId, "Second");

        var second = Infer(chatId).ReadAsync();
        await App.WaitForMessagesAsync(chatId, 4, "default");
        Llm.Release();
        await first.ReadToEndAsync(connection);

        Assert.That((await second).Text, Is.EqualTo("echo: Second"));
        Assert.That(first.Text, Is.EqualTo("One"));
    }

    [Test]
    public async Task InferenceInternet_NothingConfigured_SaysSo()
    {
        StartApp();
        App.Log.Expect("web_search_unconfigured");
        var chatId = await AskAsync();

        var reply = await App.GetAsync($"/conversations/inference_internet/{chatId}");

        Assert.That((reply.Status, reply.Code, reply.ContentType), Is.EqualTo((503, "web_search_unconfigured", "application/problem+json")));
        Assert.That((await App.GetMessagesAsync(chatId, "default")).Json.GetArrayLength(), Is.EqualTo(1));
    }

    private static string GetRunId(ApiReply stream) => stream.Text["id: ".Length..stream.Text.IndexOf(':', "id: ".Length)];

    /// <summary>Lets the model say the rest, and reads it.</summary>
    private async Task FinishAsync(TextTranscript transcript)
    {
        using var connection = await transcript.OpenAsync();
        var reading = transcript.ReadToEndAsync(connection);
        while (!reading.IsCompleted)
        {
            // The model waits behind each piece.
            Llm.Release();
            await Task.WhenAny(reading, Task.Delay(10));
        }

        await reading;
    }
}
