using System.Text.Json;
using AiChat.Core.Runs;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>Compares what the clients know with what is stored, once the server is left in peace.</summary>
internal sealed class ChaosCheck(ChaosOptions options, ChaosServer server, ChaosModel model, ChaosReport report)
{
    private bool GoesOn => options.OnRestart == OnRestart.Continue;

    public async Task CheckAsync(ChaosClient client)
    {
        var total = (await client.GetAsync("/chats?limit=1")).Json.Number("total");
        if (total != client.ChatIds.Count)
            report.AddViolation($"{client.UserId} has {total} chats, but made {client.ChatIds.Count}.");

        foreach (var chatId in client.ChatIds)
            await CheckChatAsync(client, chatId);
        foreach (var send in client.Sends)
            CheckTranscript(send);
    }

    private async Task CheckChatAsync(ChaosClient client, string chatId)
    {
        var messages = (await client.GetAsync($"/chats/{chatId}/messages")).Json.Items();
        var count = (await client.GetAsync($"/chats/{chatId}")).Json.Number("message_count");
        if (count != messages.Count)
            report.AddViolation($"Chat {chatId} counts {count} messages and has {messages.Count}.");
        if (!messages.Select(m => m.Number("sequence")).SequenceEqual(Enumerable.Range(1, messages.Count)))
            report.AddViolation($"The sequences of chat {chatId} have gaps: {string.Join(' ', messages.Select(m => m.Number("sequence")))}.");
        if (messages.Select((m, i) => m.Text("role") == (i % 2 == 0 ? "user" : "assistant")).Contains(false) || messages.Count % 2 != 0)
        {
            report.AddViolation($"Chat {chatId} is no row of messages and replies: {string.Join(' ', messages.Select(m => m.Text("role")))}.");
            return;
        }

        var sends = client.Sends.Where(s => s.ChatId == chatId).ToDictionary(s => s.Message);
        var stored = new HashSet<ChaosSend>();
        var wave = 0;
        foreach (var (message, reply) in messages.Chunk(2).Select(pair => (pair[0], pair[1])))
        {
            if (!sends.TryGetValue(message.Text("content")!, out var send))
            {
                report.AddViolation($"Chat {chatId} has a message nobody sent to it: {JsonSerializer.Serialize(message.Text("content"))}.");
                continue;
            }

            if (!stored.Add(send))
                report.AddViolation($"A message is stored twice: {send}.");
            // One that was lost in a process that was paused comes when that goes on.
            if (send.Wave < wave && !(send.IsLost && CountPauses(send) > 0))
                report.AddViolation($"A message is stored behind one that was sent later: {send}.");
            wave = Math.Max(wave, send.Wave);
            await CheckReplyAsync(client, send, reply);
        }

        foreach (var send in sends.Values.Where(s => !stored.Contains(s) && !s.IsLost && (s.IsAccepted || !s.IsGivenUp)))
            report.AddViolation($"A message is not stored{(send.IsAccepted ? " although its answer had begun" : "")}: {send}.");
    }

    private async Task CheckReplyAsync(ChaosClient client, ChaosSend send, JsonElement reply)
    {
        var status = reply.Text("status")!;
        var content = reply.Text("content")!;
        var whole = model.ReplyTo(send.Tag);
        report.CountEnding(status);

        CheckStatus(send, status);
        if (status == "completed" ? content != whole : !whole.StartsWith(content, StringComparison.Ordinal))
            report.AddViolation($"The stored reply ({status}) is not what the model said: {send}; {TextDifference.Describe(whole, content)}.");
        if (send.Transcript.End is not null && send.Transcript.Text != content)
            report.AddViolation($"The client has another text than is stored ({status}): {send}; {TextDifference.Describe(content, send.Transcript.Text)}.");
        if (send.Reply is not null && send.Reply != content)
            report.AddViolation($"The client got another reply than is stored ({status}): {send}; {TextDifference.Describe(content, send.Reply)}.");
        if (send.RunId is not null && reply.Text("run_id") != send.RunId)
            report.AddViolation($"The stored reply belongs to run {reply.Text("run_id")}: {send}.");
        CheckCalls(send, status);

        var run = await client.GetAsync($"/runs/{reply.Text("run_id")}");
        if (run.Status != 200 || run.Json.Text("status") != status)
            report.AddViolation($"The run of a reply that is {status} is told as {run.Status} {run.Text}: {send}.");
        else
            CheckAttempts(send, status, run.Json.GetProperty("attempts").Items());
    }

    private static bool IsInterrupted(JsonElement attempt) =>
        attempt.TryGetProperty("error", out var error) && error.Text("code") == "run_interrupted";

    private void CheckAttempts(ChaosSend send, string status, IReadOnlyList<JsonElement> attempts)
    {
        if (attempts.Any(a => a.Text("status") == "in_progress"))
            report.AddViolation($"An attempt of a run that has ended goes on: {send}.");
        if (!attempts.Select(a => a.Number("attempt")).SequenceEqual(attempts.Select(a => a.Number("attempt")).Order().Distinct()))
            report.AddViolation($"The attempts of a run are not in order: {send}.");
        // One that the process died under is noted before it is sent: it may not have reached the model.
        if (attempts.Count(a => !IsInterrupted(a)) > Math.Max(1, model.CallsFor(send.Tag)))
            report.AddViolation($"A run has {attempts.Count} attempts for {model.CallsFor(send.Tag)} calls of the model: {send}.");
        if (status == "completed" && attempts[^1].Text("status") != "completed")
            report.AddViolation($"The last attempt of a completed run is {attempts[^1].Text("status")}: {send}.");
    }

    private void CheckStatus(ChaosSend send, string status)
    {
        if (send.ToldStatus is not null && send.ToldStatus != status)
            report.AddViolation($"The client was told {send.ToldStatus}, stored is {status}: {send}.");
        if (send.CancelStatus is not null && send.RetriesAsked == 0 && send.CancelStatus != status)
            report.AddViolation($"The cancel was answered with {send.CancelStatus}, stored is {status}: {send}.");
        var isExplained = status switch
        {
            "completed" => true,
            "cancelled" => send.IsCancelAsked,
            "incomplete" => !GoesOn && (send.IsLost || send.FirstEpoch % 2 == 1 || send.FirstEpoch != send.LastEpoch),
            _ => false,
        };
        if (!isExplained)
            report.AddViolation($"A reply is {status}, and nothing that happened explains it: {send}.");
    }

    private void CheckCalls(ChaosSend send, string status)
    {
        var calls = model.CallsFor(send.Tag);
        if (calls > 1 + send.RetriesAsked + CountContinuations(send))
            report.AddViolation($"The model was asked {calls} times for one message ({send.RetriesAsked} retries were asked for): {send}.");
        if (status == "completed" && calls == 0)
            report.AddViolation($"A reply is completed, but the model was never asked: {send}.");
        // A process that was paused before it asked the model asks it when it goes on; what comes of that is not stored.
        if (send.ToldStatus is not null && calls > send.CallsAtEnd + CountPauses(send))
            report.AddViolation($"The model was asked again for a run that had ended: {send}, {send.CallsAtEnd} times before, {calls} now.");
    }

    private int CountPauses(ChaosSend send) => server.CountPauses(send.FirstEpoch, send.LastEpoch ?? int.MaxValue);

    /// <summary>How often another process may have gone on with the run.</summary>
    private int CountContinuations(ChaosSend send) => (GoesOn, send.LastEpoch) switch
    {
        (false, _) => 0,
        (true, { } last) when !send.IsLost => (last - send.FirstEpoch + 1) / 2,
        _ => report.Interruptions,
    };

    private void CheckTranscript(ChaosSend send)
    {
        report.CountSnapshots(send.Transcript.Events.Count(e => e.Name == "run.snapshot"));
        report.CountContinuations(send.Transcript.Events.Count(e => e.Name == "run.continued"));
        foreach (var violation in send.Transcript.Violations)
            report.AddViolation($"The stream of {send} breaks the protocol: {violation}");
    }
}
