using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiChat.Tests.Seeds;
using AiChat.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Api.Dialects;

/// <summary>
/// Every call that the five documents show or describe, made of a started server as it is out of the box: by curl, and once more by what
/// stands in for it where it is not installed.
/// </summary>
[TestFixture(typeof(CurlProcess))]
[TestFixture(typeof(CurlOverHttp))]
public sealed partial class SeedDocumentTests<TCurl>
    where TCurl : ICurl, new()
{
    private const string Page =
        "<html><title>Rome</title><body><article><p>The string of hills that Rome stands on has seven of them.</p></article></body></html>";

    private readonly Dictionary<string, IReadOnlyList<SeedResult>> runs = [];
    private ILookup<(string Document, string Request), string> furtherFields = null!;

    [OneTimeSetUp]
    public void ReadDocumentation()
    {
        var text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "dialects.md"));
        furtherFields = FurtherFields().Matches(text).ToLookup(
            row => (row.Groups["document"].Value, row.Groups["request"].Value),
            row => string.Join(", ", ReadNames(row.Groups["fields"].Value).Order(StringComparer.Ordinal)));
    }

    [Test]
    public async Task Calls_OfTheDocument_AreAnsweredAsItSays([Values("000", "001", "002", "003", "004")] string name)
    {
        var results = await RunAsync(name);

        Assert.That(results.SelectMany(r => r.Problems.Select(problem => $"{r.Step.Request} (line {r.Step.Line}): {problem}")), Is.Empty);
    }

    [Test]
    public async Task Answers_WithFieldsBeyondTheDocument_AreThoseTheDocumentationNames([Values("000", "001", "002", "003", "004")] string name)
    {
        var results = await RunAsync(name);

        var expected = furtherFields.Where(f => f.Key.Document == name).Select(f => $"{f.Key.Request}: {f.Single()}");
        var actual = results.Where(r => r.Extras.Length > 0).Select(r => $"{r.Step.Request}: {r.Extras}").Distinct();
        Assert.That(actual, Is.EquivalentTo(expected));
    }

    [Test]
    public async Task CreateChatApi_ItsCalls_MakeOneContinuousChat()
    {
        var results = await RunAsync("000");

        var created = results[0].Json;
        var chat = results[2].Json.Items();
        Assert.Multiple(() =>
        {
            Assert.That(chat.Select(m => m.Text("role")), Is.EqualTo(new[] { "user", "assistant", "user", "assistant" }));
            Assert.That(chat[0].Text("text"), Is.EqualTo("Hello, World!"));
            Assert.That(chat[1].Text("text"), Is.EqualTo(created[1].Text("text")));
            Assert.That(chat[2].Text("text"), Is.EqualTo("How are you?"));
            Assert.That(chat[3].Text("text"), Is.EqualTo(results[1].Json.Text("text")).And.Contains("I was sent 3 messages"));
            Assert.That(results[3].Json.Items().Select(i => i.GetString()), Is.EqualTo(new[] { created[0].GetString() }));
            Assert.That(results[4].Answer.Body, Is.EqualTo("""{"detail":"Chat deleted successfully"}"""));
            Assert.That(results[5].Answer.Body, Is.EqualTo("""{"detail":"Chat not found"}"""));
        });
    }

    [Test]
    public async Task ConversationsApi_ItsExampleUsage_PrintsTheHistory()
    {
        var results = await RunAsync("001");

        var history = results[^1].Json.GetProperty("messages").Items();
        Assert.That(history.TakeLast(2).Select(m => $"{m.Text("role")}: {m.Text("content")}"), Is.EqualTo(new[]
        {
            "user: Hello, how can I help you today?",
            "assistant: I can help you manage your tasks and answer questions.",
        }));
    }

    [Test]
    public async Task ChatAiApi_ItsStreamingCall_DeliversTheWholeReply()
    {
        var results = await RunAsync("004");

        var messages = results[3].Json[0].GetProperty("messages").Items();
        Assert.Multiple(() =>
        {
            Assert.That(results[2].Answer.ContentType, Is.EqualTo("text/plain"));
            Assert.That(results[2].Answer.Body, Is.EqualTo(messages[3].Text("content")).And.EndsWith("for a real answer."));
            Assert.That(results[1].Json.Text("content"), Is.EqualTo(messages[1].Text("content")));
            Assert.That(results[1].Json.Text("id"), Is.EqualTo(messages[1].Text("id")));
        });
    }

    [TestCase("/inference/")]
    [TestCase("/inference_internet/")]
    public async Task ChatApi_ItsStreams_DeliverTheWholeReply(string path)
    {
        var results = await RunAsync("003");

        var events = Parse(results.Single(r => r.Step.Request.Contains(path, StringComparison.Ordinal)).Answer.Body);
        Assert.Multiple(() =>
        {
            Assert.That(events[^1].EventType, Is.EqualTo("end"));
            Assert.That(string.Concat(events.Where(e => e.EventType == SseParser.EventTypeDefault).Select(e => e.Data)),
                Does.StartWith("This is AiChat's offline backend").And.EndWith("for a real answer."));
            Assert.That(events.Select(e => e.EventId), Has.All.Not.Empty);
        });
    }

    /// <summary>Every name, but not what is explained behind it.</summary>
    private static IEnumerable<string> ReadNames(string fields) =>
        Names().Matches(fields.Split(", the same as")[0]).Select(n => n.Groups["name"].Value);

    private async Task<IReadOnlyList<SeedResult>> RunAsync(string name)
    {
        if (runs.TryGetValue(name, out var earlier))
            return earlier;

        using var folder = new TempFolder();
        await using var web = await StartWebAsync();
        using var server = await AiChatProcess.StartAsync(
            folder.Path, ("WebSearch__SearxngUrl", web.Url), ("WebSearch__AllowedHosts__0", new Uri(web.Url).Authority));
        var curl = new TCurl();
        using var disposable = curl as IDisposable;

        var results = runs[name] = await new SeedRun(SeedDocument.Load(name), curl, server.Client.BaseAddress!).RunAsync();
        Print(name, results);
        return results;
    }

    private static void Print(string name, IReadOnlyList<SeedResult> results)
    {
        TestContext.Out.WriteLine($"Seed {name}, {results.Count} calls by {typeof(TCurl).Name}:");
        foreach (var result in results)
            TestContext.Out.WriteLine(result);
    }

    /// <summary>A search engine that finds one page, whatever is asked, and that page.</summary>
    private static async Task<ScriptedServer> StartWebAsync()
    {
        var web = await ScriptedServer.StartAsync();
        var result = new { url = web.Url + "/rome", title = "Rome", content = "The hills of Rome" };
        var found = JsonSerializer.Serialize(new { results = new[] { result } });
        web.Handler = context =>
        {
            var isPage = context.Request.Path == "/rome";
            context.Response.ContentType = isPage ? "text/html; charset=utf-8" : "application/json";
            return context.Response.WriteAsync(isPage ? Page : found);
        };
        return web;
    }

    private static List<SseItem<string>> Parse(string body) => [.. SseParser.Create(new MemoryStream(Encoding.UTF8.GetBytes(body))).Enumerate()];

    [GeneratedRegex(@"^\| (?<document>\d{3}) \| `(?<request>[A-Z]+ [^`]+)` \| (?<fields>`.+) \|$", RegexOptions.Multiline)]
    private static partial Regex FurtherFields();

    [GeneratedRegex("`(?<name>[a-z_]+)`")]
    private static partial Regex Names();
}
