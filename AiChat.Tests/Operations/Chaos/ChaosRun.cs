using System.Net.Http.Json;
using System.Text.Json;
using AiChat.Core.Runs;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>A server that is killed again and again while clients work with it, and then has to account for everything.</summary>
internal sealed class ChaosRun(ChaosOptions options, Action<string> tell)
{
    private const int ProgressEvery = 20;
    private const int ChanceOfKillDuringStart = 15;

    /// <summary>How long after a start a run may be without an end that was without one at the kill.</summary>
    private static readonly TimeSpan LongestUnfinished = TimeSpan.FromSeconds(5);

    /// <summary>Far beyond what the slowest reply takes.</summary>
    private static readonly TimeSpan LongestFinish = TimeSpan.FromSeconds(60);

    /// <summary>
    /// When to kill: at any time, or right behind something a client was told, which is when a promise is easiest to break. An end that
    /// were shown before it is stored would be caught by every third kill behind an end.
    /// </summary>
    private static readonly ChaosMoment?[] Occasions = [null, null, ChaosMoment.Accepted, ChaosMoment.Text, ChaosMoment.End, ChaosMoment.End];

    private readonly Random random = new(options.Seed);
    private readonly ChaosReport report = new(options);

    public async Task<ChaosReport> RunAsync()
    {
        var model = new ChaosModel(options.Seed);
        await using var llm = await FakeLlm.StartAsync();
        llm.Handler = model.Answer;
        using var server = new ChaosServer(llm.BaseUrl, options.OnRestart);
        server.Launch();
        await server.WaitUntilReadyAsync();

        var clients = Enumerable.Range(1, options.Clients).Select(n => new ChaosClient(n, options.Seed, server, model, report)).ToList();
        using var stopping = new CancellationTokenSource();
        foreach (var client in clients)
            await client.CreateChatsAsync();
        var work = clients.Select(c => Task.Run(() => c.RunAsync(stopping.Token))).ToList();

        await KillAgainAndAgainAsync(server);
        await stopping.CancelAsync();
        await FinishAsync(clients, work);

        await Task.WhenAll(clients.Select(SendLastAsync));
        await Task.WhenAll(clients.Select(c => new ChaosCheck(options, model, report).CheckAsync(c)));
        await StopAsync(server);
        clients.ForEach(c => c.Dispose());
        return report;
    }

    private async Task KillAgainAndAgainAsync(ChaosServer server)
    {
        while (report.Kills < options.Kills)
        {
            // Uptime, not waiting for something: the kill comes at a moment nobody chose.
            await Task.Delay(random.Next(500, 2000));
            var unfinished = Examine(server, await KillAsync(server), isDuringStart: false);
            server.Launch();
            if (random.Next(100) < ChanceOfKillDuringStart && report.Kills < options.Kills)
            {
                await Task.Delay(random.Next(700));
                unfinished = Examine(server, await server.KillAsync(), isDuringStart: true);
                server.Launch();
            }

            await server.WaitUntilReadyAsync();
            // Where runs go on, half of the kills find them going on.
            if (options.OnRestart == OnRestart.Settle || random.Next(2) == 0)
                await CheckFinishedAsync(server, unfinished);
            if (report.Kills % ProgressEvery == 0 && report.Kills < options.Kills)
                tell(report.Summary);
        }
    }

    private Task<IReadOnlyList<string>> KillAsync(ChaosServer server) =>
        Occasions[random.Next(Occasions.Length)] is { } moment ? server.KillBehindAsync(moment) : server.KillAsync();

    /// <summary>Looks at what a killed server left; the runs without an end.</summary>
    private IReadOnlyList<(string Id, string UserId)> Examine(ChaosServer server, IReadOnlyList<string> errors, bool isDuringStart)
    {
        Blame(errors);
        report.CountKill(isDuringStart);
        return Examine(server);
    }

    private async Task StopAsync(ChaosServer server)
    {
        var (exitCode, errors) = await server.StopAsync();
        Blame(errors);
        if (exitCode != 0)
            report.AddViolation($"The server ended with exit code {exitCode}.");
        if (Examine(server) is { Count: > 0 } unfinished)
        {
            report.AddViolation(
                $"{unfinished.Count} runs have no end in the database although every client had finished: {string.Join(' ', unfinished)}.");
        }
    }

    private IReadOnlyList<(string Id, string UserId)> Examine(ChaosServer server)
    {
        var (integrity, unfinished) = server.Autopsy();
        if (integrity != "ok")
            report.AddViolation($"SQLite found the database damaged after kill {report.Kills}: {integrity}.");
        return unfinished;
    }

    private void Blame(IReadOnlyList<string> errors)
    {
        foreach (var error in errors)
            report.AddViolation($"The server logged an error before kill {report.Kills + 1}: {error}");
    }

    private async Task CheckFinishedAsync(ChaosServer server, IReadOnlyList<(string Id, string UserId)> unfinished)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        using var limit = new CancellationTokenSource(LongestUnfinished);
        foreach (var (id, userId) in unfinished)
        {
            try
            {
                while (!await IsFinishedAsync(http, id, userId))
                    await Task.Delay(20, limit.Token);
            }
            catch (OperationCanceledException)
            {
                report.AddViolation($"Run {id} of {userId} still has no end {LongestUnfinished} after the start behind kill {report.Kills}.");
            }
        }
    }

    private static async Task<bool> IsFinishedAsync(HttpClient http, string id, string userId)
    {
        var run = await http.GetFromJsonAsync<JsonElement>($"/runs/{id}?user_id={userId}");
        return run.Text("status") is not ("queued" or "in_progress");
    }

    private async Task FinishAsync(List<ChaosClient> clients, List<Task> work)
    {
        try
        {
            await Task.WhenAll(work).WaitAsync(LongestFinish);
        }
        catch (TimeoutException)
        {
            for (var i = 0; i < work.Count; i++)
            {
                if (!work[i].IsCompleted)
                    report.AddViolation($"{clients[i].UserId} did not come to an end within {LongestFinish}; it is at {clients[i].Doing}.");
            }
        }
    }

    private static async Task SendLastAsync(ChaosClient client)
    {
        foreach (var chatId in client.ChatIds.ToList())
            await client.SendLastAsync(chatId);
    }
}
