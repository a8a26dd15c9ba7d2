using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using AiChat.Infrastructure.CommandLine;

namespace AiChat.Benchmarks.Streams;

/// <summary>
/// The streams verb: opens many streamed replies against a running server, checks that each is whole, and prints how soon the first token
/// came and how steadily the others did. It shares the machine with the server, so a figure is an upper bound.
/// </summary>
internal static class StreamsCommand
{
    public static async Task<int> RunAsync(IReadOnlyList<string> args, TextWriter output, TextWriter errors)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(StreamsOptions.Usage);
            return ExitCode.Ok;
        }

        var (options, problems) = StreamsOptions.Parse(args);
        if (options is null)
        {
            foreach (var problem in problems)
                await errors.WriteLineAsync(problem);
            await errors.WriteLineAsync(StreamsOptions.Usage);
            return ExitCode.Usage;
        }

        try
        {
            await MeasureAsync(options, rounds: 1);
            var clock = Stopwatch.StartNew();
            var replies = await MeasureAsync(options, options.Rounds);
            await output.WriteLineAsync(Describe(options, replies, clock.Elapsed));
            return replies.TrueForAll(r => r.IsWhole) ? ExitCode.Ok : ExitCode.Failed;
        }
        catch (HttpRequestException failure)
        {
            await errors.WriteLineAsync($"{options.Url} does not answer: {failure.Message}. Start the server first, without a key.");
            return ExitCode.Failed;
        }
    }

    private static async Task<List<Reply>> MeasureAsync(StreamsOptions options, int rounds)
    {
        using var client = new HttpClient { BaseAddress = options.Url };
        var streams = await Task.WhenAll(Enumerable.Range(0, options.Streams).Select(_ => RunStreamAsync(client, options, rounds)));
        return [.. streams.SelectMany(s => s)];
    }

    private static async Task<List<Reply>> RunStreamAsync(HttpClient client, StreamsOptions options, int rounds)
    {
        var replies = new List<Reply>();
        for (var i = 0; i < rounds; i++)
            replies.Add(await AskAsync(client, options));
        return replies;
    }

    private static async Task<Reply> AskAsync(HttpClient client, StreamsOptions options)
    {
        var text = string.Join(' ', Enumerable.Range(0, options.Tokens).Select(i => i.ToString(CultureInfo.InvariantCulture)));
        var sent = Stopwatch.GetTimestamp();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/chat")
        {
            Content = JsonContent.Create(new { user_id = options.UserId, message = $"#pace {options.Pace} #say {text}", stream = true }),
        };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();

        var (firstToken, gaps, last, came) = (0.0, new List<double>(), 0.0, "");
        await using var body = await response.Content.ReadAsStreamAsync();
        await foreach (var item in SseParser.Create(body).EnumerateAsync())
        {
            if (item.EventType != "message.delta")
                continue;
            var elapsed = Stopwatch.GetElapsedTime(sent).TotalMilliseconds;
            if (came.Length == 0)
                firstToken = elapsed;
            else
                gaps.Add(elapsed - last);
            last = elapsed;
            came += JsonElement.Parse(item.Data).GetProperty("text").GetString();
        }

        return new Reply(firstToken, gaps, IsWhole: came == text);
    }

    private static string Describe(StreamsOptions options, List<Reply> replies, TimeSpan elapsed)
    {
        var firstTokens = replies.ConvertAll(r => r.FirstToken);
        var gaps = replies.SelectMany(r => r.Gaps).ToList();
        return string.Create(CultureInfo.InvariantCulture, $"""
            {replies.Count:N0} replies of {options.Tokens} tokens, {options.Streams} at once, {options.Pace} ms between tokens: {replies.Count(r => !r.IsWhole)} not whole
            first token   p50 {Quantile(firstTokens, 0.5):N1} ms, p99 {Quantile(firstTokens, 0.99):N1} ms
            gap           p50 {Quantile(gaps, 0.5):N1} ms, p99 {Quantile(gaps, 0.99):N1} ms
            tokens        {replies.Count * (long)options.Tokens / elapsed.TotalSeconds:N0} a second
            """);
    }

    private static double Quantile(List<double> values, double q)
    {
        if (values.Count == 0)
            return 0;
        values.Sort();
        return values[Math.Min(values.Count - 1, (int)(values.Count * q))];
    }

    /// <summary>How one reply came.</summary>
    /// <param name="FirstToken">Milliseconds from the request to the first text.</param>
    /// <param name="Gaps">Milliseconds between each piece of text and the next.</param>
    /// <param name="IsWhole">Whether all of it came, each character once.</param>
    private sealed record Reply(double FirstToken, List<double> Gaps, bool IsWhole);
}
