using System.Net.Http.Json;
using System.Text.Json;
using AiChat.Core.Runs;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>A server whose processes are killed again and again while clients work with it, and that then has to account for everything.</summary>
internal sealed class ChaosRun(ChaosOptions options, Action<string> tell)
{
    private const int ProgressEvery = 20;
    private const int ChanceOfKillDuringStart = 15;

    /// <summary>Where another process can take over meanwhile, one is paused behind so many kills.</summary>
    private const int PauseEvery = 5;

    /// <summary>Far beyond what the slowest reply takes.</summary>
    private static readonly TimeSpan LongestFinish = TimeSpan.FromSeconds(60);

    /// <summary>
    /// When to kill: at any time, or right behind something a client was told, which is when a promise is easiest to break. An end that
    /// were shown before it is stored would be caught by every third kill behind an end.
    /// </summary>
    private static readonly ChaosMoment?[] Occasions = [null, null, ChaosMoment.Accepted, ChaosMoment.Text, ChaosMoment.End, ChaosMoment.End];

    private readonly Random random = new(options.Seed);
    private readonly ChaosReport report = new(options);

    /// <summary>How long a run may be without an end that was without one at the kill, once there is a process to care for it.</summary>
    private readonly TimeSpan longestUnfinished = TimeSpan.FromSeconds(5) + (options.Nodes == 1 ? TimeSpan.Zero : options.LeaseTime);

    public async Task<ChaosReport> RunAsync()
    {
        var model = new ChaosModel(options.Seed);
        await using var llm = await FakeLlm.StartAsync();
        llm.Handler = model.Answer;
        await using var server = await ChaosServer.StartAsync(options, llm.BaseUrl);
        var clients = Enumerable.Range(1, options.Clients).Select(n => new ChaosClient(n, options.Seed, server, model, report)).ToList();
        using var stopping = new CancellationTokenSource();
        foreach (var client in clients)
            await client.CreateChatsAsync();
        var work = clients.Select(c => Task.Run(() => c.RunAsync(stopping.Token))).ToList();

        await KillAgainAndAgainAsync(server);
        await stopping.CancelAsync();
        await FinishAsync(clients, work);

        await Task.WhenAll(clients.Select(SendLastAsync));
        await Task.WhenAll(clients.Select(c => new ChaosCheck(options, server, model, report).CheckAsync(c)));
        await StopAsync(server);
        return report;
    }

    private async Task KillAgainAndAgainAsync(ChaosServer server)
    {
        while (report.Kills < options.Kills)
        {
            var kills = report.Kills;
            await KillOnceAsync(server, server.Nodes[random.Next(server.Nodes.Count)]);
            if (server.Nodes.Count > 1 && report.Kills / PauseEvery > kills / PauseEvery)
                await PauseOnceAsync(server, server.Nodes[random.Next(server.Nodes.Count)]);
            if (report.Kills / ProgressEvery > kills / ProgressEvery && report.Kills < options.Kills)
                tell(report.Summary);
        }
    }

    private async Task KillOnceAsync(ChaosServer server, ChaosNode node)
    {
        await WorkAsync();
        var unfinished = await ExamineAsync(server, node, await KillAsync(server, node), isDuringStart: false);
        // Half of the survivors are alone with what the dead process left until they have taken care of it.
        if (server.Nodes.FirstOrDefault(n => n.IsUp) is { } survivor && random.Next(2) == 0)
            await CheckFinishedAsync(survivor, unfinished);
        node.Launch();
        if (random.Next(100) < ChanceOfKillDuringStart && report.Kills < options.Kills)
        {
            await Task.Delay(random.Next(700));
            var behind = await ExamineAsync(server, node, await ChaosServer.KillAsync(node), isDuringStart: true);
            unfinished = [.. unfinished.Union(behind)];
            node.Launch();
        }

        await node.WaitUntilReadyAsync();
        // Where runs go on, half of the kills find them going on.
        if (options.OnRestart == OnRestart.Settle || random.Next(2) == 0)
            await CheckFinishedAsync(node, unfinished);
    }

    private async Task PauseOnceAsync(ChaosServer server, ChaosNode node)
    {
        await WorkAsync();
        await server.PauseAsync(node);
        report.CountPause();
    }

    /// <summary>Uptime, not waiting for something: what is done next comes at a moment nobody chose.</summary>
    private Task WorkAsync() => Task.Delay(options.LongestUptime * (0.25 + (0.75 * random.NextDouble())));

    private Task<IReadOnlyList<string>> KillAsync(ChaosServer server, ChaosNode node) =>
        Occasions[random.Next(Occasions.Length)] is { } moment ? server.KillBehindAsync(node, moment) : ChaosServer.KillAsync(node);

    /// <summary>Looks at what a killed process left; its runs without an end.</summary>
    private async Task<IReadOnlyList<UnfinishedRun>> ExamineAsync(ChaosServer server, ChaosNode node, IReadOnlyList<string> errors, bool isDuringStart)
    {
        Blame(errors);
        report.CountKill(isDuringStart);
        var findings = await server.ExamineAsync(node);
        foreach (var sentence in findings.Damage)
            report.AddViolation($"Found after kill {report.Kills}: {sentence}");
        return findings.Unfinished;
    }

    private async Task StopAsync(ChaosServer server)
    {
        foreach (var node in server.Nodes)
        {
            var (exitCode, errors) = await node.StopAsync();
            Blame(errors);
            if (exitCode != 0)
                report.AddViolation($"{node.Process} ended with exit code {exitCode}.");
        }

        var findings = await server.ExamineAllAsync();
        report.CountTakenOver(findings.TakenOver);
        foreach (var sentence in findings.Damage)
            report.AddViolation($"Found in the end: {sentence}");
        if (findings.Unfinished is { Count: > 0 } unfinished)
        {
            report.AddViolation(
                $"{unfinished.Count} runs have no end in the database although every client had finished: {string.Join(' ', unfinished)}.");
        }
    }

    private void Blame(IReadOnlyList<string> errors)
    {
        foreach (var error in errors)
            report.AddViolation($"The server logged an error before kill {report.Kills + 1}: {error}");
    }

    private async Task CheckFinishedAsync(ChaosNode node, IReadOnlyList<UnfinishedRun> unfinished)
    {
        using var limit = new CancellationTokenSource(longestUnfinished);
        foreach (var run in unfinished)
        {
            try
            {
                while (!await IsFinishedAsync(node.Http, run))
                    await Task.Delay(20, limit.Token);
            }
            catch (OperationCanceledException)
            {
                report.AddViolation($"Run {run.Id} of {run.UserId} still has no end {longestUnfinished} behind kill {report.Kills}.");
            }
        }
    }

    private static async Task<bool> IsFinishedAsync(HttpClient http, UnfinishedRun unfinished)
    {
        var run = await http.GetFromJsonAsync<JsonElement>($"/runs/{unfinished.Id}?user_id={unfinished.UserId}");
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
