using System.Text;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Support;

/// <summary>
/// Requests and the whole answers to them, recorded one after the other in a file of <c>TestData</c>. Each begins with a line <c>### title</c>;
/// request and answer are written as HTTP writes them, the answer behind the line with its status. What differs from run to run has a
/// name: <c>{{chat}}</c> is an id or a cursor, the same wherever the name stands, in answers and in later requests;
/// <c>{{instant}}</c> is any instant that the request itself does not name.
/// </summary>
public sealed partial class Transcript
{
    private const string RequestIdHeader = "x-request-id";

    /// <summary>The id of every request, so that answers that show it are always the same.</summary>
    private const string RequestId = "transcript";

    /// <summary>What every answer has, and what depends on the day or on how it was sent.</summary>
    private static readonly string[] HiddenHeaders = ["Date", "Server", "Connection", "Transfer-Encoding", "Content-Length", RequestIdHeader];

    private readonly HttpClient client;
    private readonly Dictionary<string, string> valuesByName = [];
    private readonly Dictionary<string, string> namesByValue = [];

    private Transcript(HttpClient client) => this.client = client;

    /// <summary>Sends every request of the file and compares every answer with the recorded one, byte for byte.</summary>
    /// <param name="client">Leads to the server.</param>
    /// <param name="file">The path below <c>TestData</c>.</param>
    public static async Task AssertAsync(HttpClient client, string file)
    {
        var expected = await File.ReadAllTextAsync(Path.Combine(TestContext.CurrentContext.TestDirectory, "TestData", file));

        var actual = await ReplayAsync(client, expected);

        if (actual != expected)
            Assert.Fail($"{file}: {Describe(expected, actual)}\nThe whole transcript as it is now:\n{actual}");
    }

    /// <summary>The same requests with the answers they get now, under the names they are recorded with.</summary>
    public static async Task<string> ReplayAsync(HttpClient client, string recorded)
    {
        var transcript = new Transcript(client);
        var actual = new StringBuilder();
        foreach (var exchange in Split(recorded))
            actual.Append(actual.Length == 0 ? "" : "\n").Append(await transcript.ReplayOneAsync(exchange));
        return actual.ToString();
    }

    /// <summary>The first exchange that is not as recorded, and the first line of it that is not.</summary>
    public static string Describe(string expected, string actual)
    {
        var (old, now) = Split(expected).Zip(Split(actual)).FirstOrDefault(pair => pair.First != pair.Second);
        if (old is null)
            return "it is as recorded.";
        var (oldLine, nowLine) = old.Split('\n').Zip(now!.Split('\n')).FirstOrDefault(pair => pair.First != pair.Second);
        return $"\"{old[..old.IndexOf('\n', StringComparison.Ordinal)]}\" is answered otherwise; {TextDifference.Describe(oldLine ?? old, nowLine ?? now)}.\n"
            + $"  recorded: {oldLine}\n  now:      {nowLine}";
    }

    private static IEnumerable<string> Split(string text) => Beginning().Split(text).Where(part => part.Length > 0);

    private async Task<string> ReplayOneAsync(string exchange)
    {
        var status = StatusLine().Match(exchange);
        var asked = status.Success ? exchange[..status.Index] : exchange.TrimEnd() + "\n\n";
        var filled = Name().Replace(asked, match => valuesByName.GetValueOrDefault(match.Groups[1].Value, match.Value));

        using var request = ToRequest(filled);
        using var response = await client.SendAsync(request);
        var answer = await ReadAsync(response);

        NameValues(status.Success ? exchange[status.Index..] : "", filled, answer);
        return $"{asked}{Mask(answer, filled)}\n";
    }

    private static HttpRequestMessage ToRequest(string text)
    {
        var (head, body) = text.Split("\n\n", 2) is [var first, var rest] ? (first, rest.TrimEnd('\n')) : (text, "");
        var lines = head.Split('\n').Where(line => !line.StartsWith('#')).ToList();
        var (method, path) = lines[0].Split(' ', 2) is [var verb, var target] ? (verb, target) : throw new FormatException(lines[0]);
        var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body.Length == 0 ? null : new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Headers.Add(RequestIdHeader, RequestId);
        foreach (var (name, value) in lines.Skip(1).Where(line => line.Length > 0).Select(line => (line.Split(": ", 2)[0], line.Split(": ", 2)[1])))
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content!.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    private static async Task<string> ReadAsync(HttpResponseMessage response)
    {
        var text = new StringBuilder($"HTTP/1.1 {(int)response.StatusCode} {response.ReasonPhrase}");
        var headers = response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
            .Where(h => !HiddenHeaders.Contains(h.Key, StringComparer.OrdinalIgnoreCase)).OrderBy(h => h.Key, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in headers)
            text.Append('\n').Append(name).Append(": ").Append(values.ToString());
        var body = await response.Content.ReadAsByteArrayAsync();
        return text.Append(body.Length == 0 ? "" : "\n\n").Append(Encoding.UTF8.GetString(body)).ToString();
    }

    /// <summary>The first new value gets the first new name of the recorded answer, and so on; what is left over is numbered.</summary>
    private void NameValues(string recorded, string asked, string answer)
    {
        var names = new Queue<string>(Name().Matches(recorded).Select(m => m.Groups[1].Value).Where(n => n != "instant" && !valuesByName.ContainsKey(n)).Distinct());
        foreach (var value in Value().Matches(answer).Select(m => m.Value).Distinct())
        {
            if (namesByValue.ContainsKey(value) || asked.Contains(value, StringComparison.Ordinal))
                continue;
            var name = names.TryDequeue(out var given) ? given : $"value-{namesByValue.Count + 1}";
            valuesByName[name] = value;
            namesByValue[value] = name;
        }
    }

    private string Mask(string answer, string asked)
    {
        var named = Value().Replace(answer, match => namesByValue.TryGetValue(match.Value, out var name) ? $"{{{{{name}}}}}" : match.Value);
        return Instant().Replace(named, match => asked.Contains(match.Value, StringComparison.Ordinal) ? match.Value : "{{instant}}");
    }

    [GeneratedRegex("(?=^### )", RegexOptions.Multiline)]
    private static partial Regex Beginning();

    [GeneratedRegex("^HTTP/1.1 ", RegexOptions.Multiline)]
    private static partial Regex StatusLine();

    [GeneratedRegex(@"\{\{([a-z0-9-]+)\}\}")]
    private static partial Regex Name();

    /// <summary>An id that was made by the server (UUIDv7), not the one its messages show as an example, or the cursor of a link.</summary>
    [GeneratedRegex("(?!0199c0de-0000-)[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|(?<=[?&]cursor=)[A-Za-z0-9_-]+")]
    private static partial Regex Value();

    [GeneratedRegex(@"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")]
    private static partial Regex Instant();
}
