using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>
/// A client with chats of its own: sends one message after the other (sometimes a few at once), loses its connection on purpose or
/// because the server was killed, comes back with <c>Last-Event-ID</c> or the same key, cancels and retries now and then. Where there are
/// several processes, it goes to another one when one fails it, and now and then without a reason.
/// </summary>
internal sealed class ChaosClient
{
    private const string Replayed = "Idempotency-Replayed";
    private const int Chats = 2;
    private const int LongestPause = 60;

    private readonly int number;
    private readonly ChaosServer server;
    private readonly ChaosModel model;
    private readonly ChaosReport report;
    private readonly Random random;
    private readonly List<ChaosSend> sends = [];
    private readonly List<string> chatIds = [];
    private int wave;
    private int lastTag;
    private int home;

    public ChaosClient(int number, int seed, ChaosServer server, ChaosModel model, ChaosReport report)
    {
        this.number = number;
        this.server = server;
        this.model = model;
        this.report = report;
        UserId = $"client-{number}";
        random = new Random(unchecked((seed * 1009) + number));
        home = number % server.Nodes.Count;
    }

    public string UserId { get; }

    /// <summary>Every message it has sent, oldest first.</summary>
    public IReadOnlyList<ChaosSend> Sends => sends;

    /// <summary>Every chat it knows to be its own.</summary>
    public IReadOnlyList<string> ChatIds => chatIds;

    /// <summary>What the client is at now, for one that hangs.</summary>
    public string Doing { get; private set; } = "nothing yet";

    public async Task CreateChatsAsync()
    {
        for (var i = 0; i < Chats; i++)
        {
            using var response = await Visit().Node.Http.PostAsJsonAsync("/chats", new { user_id = UserId });
            chatIds.Add((await ApiReply.ReadAsync(response)).Json.Text("id")!);
        }
    }

    /// <summary>Sends until it is told to stop, and then sees every message to its end.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            wave++;
            var count = IsChance(10) ? 3 : 1;
            var chatId = IsChance(8) ? null : chatIds[random.Next(chatIds.Count)];
            var batch = Enumerable.Range(0, chatId is null ? 1 : count).Select(_ => NewSend(chatId)).ToList();
            sends.AddRange(batch);
            Doing = string.Join(" and ", batch);
            await Task.WhenAll(batch.Select(GuardAsync));
            foreach (var send in batch.Where(s => s.ChatId is not null && !chatIds.Contains(s.ChatId)))
                chatIds.Add(send.ChatId!);
        }
    }

    /// <summary>A last message to a chat, on a server nobody kills.</summary>
    public async Task SendLastAsync(string chatId)
    {
        wave++;
        var send = NewSend(chatId, SendKind.KeyedWait);
        sends.Add(send);
        await GuardAsync(send);
        if (send.ToldStatus != "completed")
            report.AddViolation($"The next message to chat {chatId} was not answered: {send}.");
    }

    public Task<ApiReply> GetAsync(string path) => GetAsync(Visit(), path);

    private async Task<ApiReply> GetAsync(ChaosVisit visit, string path)
    {
        using var response = await visit.Node.Http.GetAsync(path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + "user_id=" + UserId);
        return await ApiReply.ReadAsync(response);
    }

    private ChaosSend NewSend(string? chatId, SendKind? kind = null) => new()
    {
        Tag = $"c{number}-{++lastTag}",
        // Without a key nobody can tell whether a chat was made.
        Kind = kind ?? (chatId is null || IsChance(60) ? SendKind.KeyedStream : IsChance(50) ? SendKind.Stream : SendKind.KeyedWait),
        ChatId = chatId,
        MakesChat = chatId is null,
        Wave = wave,
    };

    private async Task GuardAsync(ChaosSend send)
    {
        report.CountSend();
        send.FirstEpoch = server.Epoch;
        try
        {
            if (send.Kind == SendKind.KeyedWait)
                await WaitForReplyAsync(send);
            else
                await StreamAsync(send);
        }
        catch (Exception failure)
        {
            GiveUp(send, $"the client failed: {failure.GetType().Name}: {failure.Message}");
        }

        send.LastEpoch = server.Epoch;
        send.CallsAtEnd = model.CallsFor(send.Tag);
    }

    private async Task WaitForReplyAsync(ChaosSend send)
    {
        var replays = IsChance(25) ? 1 : 0;
        for (var answers = 0; answers <= replays && !send.IsGivenUp;)
        {
            var visit = Visit(send);
            // Now and then the client has no patience, and asks again with the same key.
            using var patience = new CancellationTokenSource(IsChance(20) ? TimeSpan.FromMilliseconds(Roll(300)) : Timeout.InfiniteTimeSpan);
            await using var leaving = OnPause(visit, patience.Cancel);
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/chat") { Content = JsonContent.Create(ToBody(send, isStream: false)) };
                request.Headers.Add("Idempotency-Key", send.Key);
                send.Posts++;
                using var response = await visit.Node.Http.SendAsync(request, patience.Token);
                if (send.Posts > 1)
                    report.CountKeyedRetry();
                if (Take(send, await ApiReply.ReadAsync(response), visit))
                    answers++;
                else
                    await LeaveAsync(visit);
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested)
            {
                report.CountDrop();
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException)
            {
                await AfterFailureAsync(send, visit, failure);
            }
        }
    }

    /// <summary>False when the answer says nothing of the run and the client has to ask again.</summary>
    private bool Take(ChaosSend send, ApiReply answer, ChaosVisit visit)
    {
        var isInterrupted = answer.Status == 503 && answer.Json.Text("code") == "run_interrupted";
        if (answer.Status != 200 && !isInterrupted)
        {
            if (answer.Status != 503 || !visit.MayFail)
                GiveUp(send, $"the answer was {answer.Status} {answer.Text}");
            return false;
        }

        CheckReplayed(send, answer.GetHeader(Replayed));
        var runId = answer.Json.Text("run_id");
        var status = isInterrupted ? "incomplete" : "completed";
        var reply = isInterrupted ? null : answer.Json.Text("reply");
        if (send.IsAccepted && (send.RunId, send.ToldStatus, send.Reply) != (runId, status, reply))
            report.AddViolation($"The same key got another answer for {send}: first {send.ToldStatus}, then {answer.Status} {answer.Text}.");
        if (isInterrupted && send.FirstEpoch == server.Epoch)
            report.AddViolation($"A run was interrupted although nobody interrupted the server: {send}.");
        send.IsAccepted = true;
        server.Notice(ChaosMoment.End);
        (send.RunId, send.ToldStatus, send.Reply) = (runId, status, reply);
        send.ChatId ??= answer.Json.Text("chat_id");
        return true;
    }

    private async Task StreamAsync(ChaosSend send)
    {
        var length = model.ReplyTo(send.Tag).Length;
        var drops = IsChance(40) ? Enumerable.Range(0, Roll(3) + 1).Select(_ => Roll(length + 1)).Order().ToList() : [];
        var cancelAt = IsChance(8) ? Roll(length) : int.MaxValue;

        await FollowAsync(send, drops, cancelAt, visit => OpenAsync(send, visit));
        if (send.Transcript.EndStatus == "incomplete" && IsChance(50))
            await RetryRunAsync(send);
        send.ToldStatus = send.Transcript.EndStatus;
        if (send.Key is not null && send.ToldStatus is not null && IsChance(15))
            await ReplayAsync(send);
    }

    /// <summary>The same key once more, by a client that has forgotten everything.</summary>
    private async Task ReplayAsync(ChaosSend send)
    {
        var visit = Visit(send);
        var replay = new RunTranscript();
        try
        {
            using var connection = await visit.Node.Streams.SendAsync(ToBody(send, isStream: true), send.Key);
            await using var leaving = OnPause(visit, connection.Break);
            report.CountKeyedRetry();
            if (!await IsStreamAsync(send, connection, visit) || await replay.ReadAsync(connection) != StreamStop.Ended)
            {
                if (!visit.MayFail)
                    report.AddViolation($"The replay of an ended run broke off although nobody had killed the server: {send}.");
                return;
            }
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            if (!visit.MayFail)
                report.AddViolation($"The replay of an ended run failed although nobody had killed the server: {send}, {failure.Message}.");
            return;
        }

        if ((replay.RunId, replay.EndStatus) != (send.RunId, send.ToldStatus))
            report.AddViolation($"The same key led to run {replay.RunId}, {replay.EndStatus}, after it had led to {send}, {send.ToldStatus}.");
        if (replay.Text != send.Transcript.Text)
            report.AddViolation($"The same key gave another text for {send}: {TextDifference.Describe(send.Transcript.Text, replay.Text)}.");
        foreach (var violation in replay.Violations)
            report.AddViolation($"The replay of {send} breaks the protocol: {violation}");
    }

    private async Task RetryRunAsync(ChaosSend send)
    {
        report.CountRunRetry();
        send.RetriesAsked++;
        var isAsked = false;
        await FollowAsync(send, [], int.MaxValue, visit =>
        {
            // Asked once; whether it was accepted shows in what comes behind the end the client has.
            var opening = isAsked ? OpenAsync(send, visit) : visit.Node.Streams.RetryAsync(send.RunId!, UserId);
            isAsked = true;
            return opening;
        });
    }

    /// <summary>Reads to the run's end, over as many connections as it takes.</summary>
    private async Task FollowAsync(ChaosSend send, List<int> drops, int cancelAt, Func<ChaosVisit, Task<SseConnection>> openAsync)
    {
        var transcript = send.Transcript;
        var isDone = false;
        while (!isDone && !send.IsGivenUp && !send.IsLost)
        {
            var visit = Visit(send);
            try
            {
                if (send is { Key: null, IsAccepted: true, RunId: null } && !await FindRunAsync(send, visit))
                    return;
                using var connection = await openAsync(visit);
                await using var leaving = OnPause(visit, connection.Break);
                if (connection.Status == 204)
                {
                    if (transcript.End is null)
                        GiveUp(send, "the stream had nothing more (204), but the client has seen no end");
                    return;
                }

                if (!await IsStreamAsync(send, connection, visit))
                    continue;
                isDone = await ReadAsync(send, connection, drops, cancelAt, visit);
                if (!isDone && visit.MayFail)
                    await LeaveAsync(visit);
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException)
            {
                if (send is { Key: null, IsAccepted: false } && visit.MayFail)
                    send.IsLost = true;
                else
                    await AfterFailureAsync(send, visit, failure);
            }
        }
    }

    /// <summary>True when the end has come, and nothing behind it.</summary>
    private async Task<bool> ReadAsync(ChaosSend send, SseConnection connection, List<int> drops, int cancelAt, ChaosVisit visit)
    {
        var transcript = send.Transcript;
        while (true)
        {
            var mustCancel = !send.IsCancelAsked && cancelAt < int.MaxValue;
            var stop = await transcript.ReadAsync(connection, t =>
            {
                Notice(t);
                return (drops.Count > 0 && t.Length >= drops[0]) || (mustCancel && t.RunId is not null && t.Length >= cancelAt);
            });
            Learn(send);
            if (stop == StreamStop.Ended)
                return true;
            if (stop == StreamStop.Broken)
            {
                if (!visit.MayFail)
                    report.AddViolation($"A stream broke off although nobody had killed the server: {send}, {transcript.Length} characters.");
                return false;
            }

            if (mustCancel && send.RunId is not null && transcript.Length >= cancelAt)
            {
                await CancelAsync(send);
                continue;
            }

            drops.RemoveAt(0);
            connection.Drop();
            report.CountDrop();
            return false;
        }
    }

    /// <summary>A new request for what the client does not have yet.</summary>
    private async Task<SseConnection> OpenAsync(ChaosSend send, ChaosVisit visit)
    {
        if (send.RunId is not null && (send.Key is null || !IsChance(20)))
        {
            // Some forget where they were and begin again.
            var resumed = await visit.Node.Streams.FollowAsync(send.RunId!, UserId, IsChance(90) ? send.Transcript.LastEventId : null);
            report.CountResume();
            return resumed;
        }

        send.Posts++;
        var sent = await visit.Node.Streams.SendAsync(ToBody(send, isStream: true), send.Key);
        if (send.Posts > 1)
            report.CountKeyedRetry();
        return sent;
    }

    /// <summary>For a client that got the head of the answer and nothing else: its run is named in the chat.</summary>
    private async Task<bool> FindRunAsync(ChaosSend send, ChaosVisit visit)
    {
        var messages = (await GetAsync(visit, $"/chats/{send.ChatId}/messages")).Json.Items();
        for (var i = 0; i + 1 < messages.Count; i++)
        {
            if (messages[i].Text("content") == send.Message)
            {
                send.RunId = messages[i + 1].Text("run_id");
                return true;
            }
        }

        GiveUp(send, "its answer had begun, but the message is not stored");
        return false;
    }

    private async Task<bool> IsStreamAsync(ChaosSend send, SseConnection connection, ChaosVisit visit)
    {
        if (connection is { Status: 200, IsEventStream: true })
        {
            if (send.Key is not null && connection.Response.RequestMessage is { RequestUri.AbsolutePath: "/chat" })
                CheckReplayed(send, connection.Response.Headers.TryGetValues(Replayed, out var values) ? string.Join(',', values) : null);
            send.IsAccepted = true;
            server.Notice(ChaosMoment.Accepted);
            return true;
        }

        var answer = await connection.ReadReplyAsync();
        if (answer.Status == 503 && visit.MayFail)
        {
            send.IsLost = send is { Key: null, IsAccepted: false };
            await LeaveAsync(visit);
            return false;
        }

        var request = connection.Response.RequestMessage;
        GiveUp(send, $"the answer to {request?.Method} {request?.RequestUri} was {answer.Status} {answer.Text}");
        return false;
    }

    private void CheckReplayed(ChaosSend send, string? header)
    {
        if (send.IsAccepted && header != "true")
            report.AddViolation($"A message the client knows to be accepted was not answered as a replay: {send}.");
    }

    private async Task CancelAsync(ChaosSend send)
    {
        var visit = Visit(send);
        send.IsCancelAsked = true;
        report.CountCancel();
        try
        {
            using var response = await visit.Node.Http.PostAsync($"/runs/{send.RunId}/cancel?user_id={UserId}", content: null);
            var answer = await ApiReply.ReadAsync(response);
            if (answer.Status != 200 && !(answer.Status == 503 && visit.MayFail))
                report.AddViolation($"Cancelling was answered with {answer.Status} {answer.Text}: {send}.");
            else if (answer.Status == 200 && answer.Json.Text("status") is "completed" or "cancelled" or "failed" or "incomplete")
                send.CancelStatus = answer.Json.Text("status");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            if (!visit.MayFail)
                report.AddViolation($"Cancelling failed although nobody had killed the server: {send}, {failure.Message}.");
        }
    }

    private void Notice(RunTranscript transcript)
    {
        if (transcript.End is not null)
            server.Notice(ChaosMoment.End);
        else if (transcript.Length > 0)
            server.Notice(ChaosMoment.Text);
    }

    private static void Learn(ChaosSend send)
    {
        send.RunId ??= send.Transcript.RunId;
        if (send.Transcript.Started is { } started && started.Json.TryGetProperty("chat_id", out var chatId))
            send.ChatId ??= chatId.GetString();
    }

    /// <summary>The process a request goes to: the one before, unless that is down, or the client wants another one.</summary>
    private ChaosVisit Visit(ChaosSend? send = null)
    {
        if (server.Nodes.Count > 1 && (IsChance(20) || (!server.Nodes[home].IsUp && IsChance(80))))
            home = (home + 1) % server.Nodes.Count;
        var node = server.Nodes[home];
        if (send is not null)
        {
            if (send.Visited is not null && send.Visited != node)
                report.CountMove();
            send.Visited = node;
        }

        return new ChaosVisit(node, node.Epoch);
    }

    /// <summary>Half of the clients wait for a process that is paused, half do not.</summary>
    private CancellationTokenRegistration OnPause(ChaosVisit visit, Action leave) =>
        IsChance(50) ? visit.Node.Pausing.Register(leave) : default;

    private Task LeaveAsync(ChaosVisit visit)
    {
        if (server.Nodes[home] == visit.Node)
            home = (home + 1) % server.Nodes.Count;
        return Task.Delay(Roll(LongestPause) + 1);
    }

    private async Task AfterFailureAsync(ChaosSend send, ChaosVisit visit, Exception failure)
    {
        if (visit.MayFail)
            await LeaveAsync(visit);
        else
            GiveUp(send, $"the connection failed although nobody had killed the server: {failure.Message}");
    }

    private void GiveUp(ChaosSend send, string why)
    {
        send.IsGivenUp = true;
        report.AddViolation($"The client gave up on {send}: {why}.");
    }

    /// <summary>The same every time, whatever the client has learnt since: the key belongs to this body.</summary>
    private object ToBody(ChaosSend send, bool isStream) => send.MakesChat
        ? new { user_id = UserId, message = send.Message, stream = isStream }
        : new { chat_id = send.ChatId, user_id = UserId, message = send.Message, stream = isStream };

    private bool IsChance(int percent) => Roll(100) < percent;

    private int Roll(int below)
    {
        lock (random)
            return random.Next(below);
    }
}
