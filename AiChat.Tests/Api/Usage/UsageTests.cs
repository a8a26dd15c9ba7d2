using AiChat.Core.Models;
using AiChat.Core.Usage;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Usage;

/// <summary>What <c>GET /usage</c> adds up. It is noon of the last day of January 2026 until a test says otherwise.</summary>
public sealed class UsageTests : ApiTestBase
{
    private const string Columns =
        "attempts,input_tokens,output_tokens,cached_tokens,reasoning_tokens,estimated_attempts,estimated_input_tokens,estimated_output_tokens,"
        + "unpriced_attempts,cost";

    private StoppedClock clock = null!;
    private int entries;

    [SetUp]
    public void Start()
    {
        clock = new StoppedClock();
        StartApp(
            services => services.AddSingleton<TimeProvider>(clock),
            ("Models:fast:Candidates:0:InputPrice", "1"), ("Models:fast:Candidates:0:OutputPrice", "10"));
    }

    [Test]
    public async Task Get_AfterSends_IsWhatTheProviderCounted()
    {
        Llm.Enqueue(LlmReplies.Answer("One", inputTokens: 100, outputTokens: 5), LlmReplies.Answer("Two", inputTokens: 30, outputTokens: 7));
        await App.PostAsync("/chat", new { user_id = "alice", message = "Hi" });
        await App.PostAsync("/chat", new { user_id = "bob", message = "Hi" });

        var reply = await App.GetAsync("/usage");

        Assert.That(reply.Status, Is.EqualTo(200));
        Assert.That(reply.Text, Is.EqualTo(
            """{"from":"2026-01-01T12:00:00.001Z","to":"2026-01-31T12:00:00.001Z","total":"""
            + """{"attempts":2,"input_tokens":130,"output_tokens":12,"cached_tokens":0,"reasoning_tokens":0,"estimated_attempts":0,"estimated_input_tokens":0,"estimated_output_tokens":0,"unpriced_attempts":0,"cost":0.00025}"""
            + ""","groups":[],"next_cursor":null}"""));
    }

    [Test]
    public async Task Get_ByUser_ListsWhatEachUsed()
    {
        await App.PostAsync("/chat", new { user_id = "alice", message = "Hi" });
        await App.PostAsync("/chat", new { message = "Hi" });

        var groups = (await App.GetAsync("/usage?group_by=user")).Json.GetProperty("groups");

        Assert.That(groups.Texts("user_id"), Is.EqualTo(new[] { "alice", "default" }));
        Assert.That(groups.Numbers("input_tokens"), Is.EqualTo(new[] { 11, 11 }));
    }

    [Test]
    public async Task Get_OfOneUserByChat_StaysWhenTheChatIsDeleted()
    {
        var chatId = await App.CreateChatAsync();
        await App.SendAsync(chatId, "Hi");
        await App.PostAsync("/chat", new { user_id = "bob", message = "Hi" });
        await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var groups = (await App.GetAsync("/usage?user_id=alice&group_by=chat")).Json.GetProperty("groups");

        Assert.That(groups.Texts("chat_id"), Is.EqualTo(new[] { chatId }));
    }

    [Test]
    public async Task Get_ByModel_NamesProviderAndModel()
    {
        await App.PostAsync("/chat", new { user_id = "alice", message = "Hi" });

        var group = (await App.GetAsync("/usage?group_by=model")).Json.GetProperty("groups")[0];

        Assert.That((group.Text("provider"), group.Text("model")), Is.EqualTo(("groq", "openai/gpt-oss-20b")));
        Assert.That(group.EnumerateObject().First().Name, Is.EqualTo("provider"));
    }

    [Test]
    public async Task Get_Dates_AreWholeDaysInUtc()
    {
        foreach (var day in new[] { 27, 28, 29, 30 })
            await AddAsync(new DateTimeOffset(2026, 1, day, 23, 59, 59, 999, TimeSpan.Zero));

        var reply = await App.GetAsync("/usage?from=2026-01-28&to=2026-01-29&group_by=day");

        Assert.That((reply.Json.Text("from"), reply.Json.Text("to")), Is.EqualTo(("2026-01-28T00:00:00.000Z", "2026-01-30T00:00:00.000Z")));
        Assert.That(reply.Json.GetProperty("groups").Texts("day"), Is.EqualTo(new[] { "2026-01-28", "2026-01-29" }));
    }

    [TestCase("from=2026-01-30T12:00:00Z&to=2026-01-30T13:00:00Z", 1)]
    [TestCase("from=2026-01-30T12:00:00.001Z&to=2026-01-30T13:00:00Z", 0)]
    [TestCase("from=2026-01-30T11:00:00Z&to=2026-01-30T12:00:00Z", 0)]
    [TestCase("from=2026-01-30T12:30:00%2B01:00&to=2026-01-30T13:00:00.001%2B01:00", 1)]
    [TestCase("to=2026-03-01T12:00:00Z", 1)]
    [TestCase("to=2026-03-01T12:00:01Z", 0)]
    public async Task Get_Instants_IncludeTheFirstAndNotTheLast(string time, int attempts)
    {
        await AddAsync(new DateTimeOffset(2026, 1, 30, 12, 0, 0, TimeSpan.Zero));

        var reply = await App.GetAsync($"/usage?{time}");

        Assert.That(reply.Json.GetProperty("total").Number("attempts"), Is.EqualTo(attempts));
    }

    [TestCase("group_by=hour", "group_by")]
    [TestCase("from=yesterday", "from")]
    [TestCase("to=2026-02-30", "to")]
    [TestCase("from=2026-01-02&to=2026-01-01", "from")]
    [TestCase("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from")]
    [TestCase("from=2025-01-01&to=2026-01-02", "from")]
    [TestCase("limit=0", "limit")]
    [TestCase("limit=1001", "limit")]
    [TestCase("limit=many", "limit")]
    [TestCase("user_id=", "user_id")]
    [TestCase("user_id=%00", "user_id")]
    [TestCase("group_by=chat&cursor=nonsense", "cursor")]
    [TestCase("cursor=WyJhIl0", "cursor")]
    [TestCase("group_by=model&cursor=WyJhIl0", "cursor")]
    [TestCase("group_by=day&cursor=WyJhIl0", "cursor")]
    [TestCase("group_by=user&cursor=W251bGxd", "cursor")]
    [TestCase("group_by=user&cursor=WyJhXHUwMDAwIl0", "cursor")]
    public async Task Get_WrongQuery_IsToldWhatIsWrong(string query, string field)
    {
        var reply = await App.GetAsync($"/usage?{query}");

        Assert.That((reply.Status, reply.Code), Is.EqualTo((422, "validation_failed")), reply.Text);
        Assert.That(reply.ErrorFields, Is.EqualTo(new[] { field }));
    }

    [TestCase("from=2025-01-01&to=2026-01-01")]
    [TestCase("from=0001-01-01&to=0001-01-01")]
    [TestCase("to=0001-01-01")]
    [TestCase("from=9999-01-01&to=9999-12-30")]
    public async Task Get_LongestAndMostDistantTimes_AreAnswered(string query)
    {
        Assert.That((await App.GetAsync($"/usage?{query}")).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task Get_PageByPage_FollowsTheLinksToEveryGroup()
    {
        foreach (var userId in new[] { "a&b", "c d", "e,f", "ü" })
            await AddAsync(clock.GetUtcNow(), userId);

        var pages = new List<ApiReply>();
        for (var next = "/usage?group_by=user&limit=3"; next is not null; next = pages[^1].GetLink("next"))
            pages.Add(await App.GetAsync(next));

        Assert.That(pages.Select(p => p.Json.GetProperty("groups").GetArrayLength()), Is.EqualTo(new[] { 3, 1 }));
        Assert.That(pages.SelectMany(p => p.Json.GetProperty("groups").Texts("user_id")), Is.EqualTo(new[] { "a&b", "c d", "e,f", "ü" }));
        Assert.That(pages.Select(p => p.Json.GetProperty("total").Number("attempts")), Is.All.EqualTo(4));
        Assert.That((pages[0].Json.IsNull("next_cursor"), pages[1].Json.IsNull("next_cursor")), Is.EqualTo((false, true)));
    }

    [TestCase("day")]
    [TestCase("model")]
    [TestCase("chat")]
    [TestCase("user")]
    public async Task Get_CursorOfAnyGrouping_LeadsBehindTheLastGroup(string groupBy)
    {
        foreach (var days in new[] { 1, 2, 3 })
            await AddAsync(clock.GetUtcNow().AddDays(-days), $"user {days}", $"chat-{days}", $"a/model-{days}");
        var whole = await App.GetAsync($"/usage?group_by={groupBy}");

        var first = await App.GetAsync($"/usage?group_by={groupBy}&limit=2");
        var second = await App.GetAsync($"/usage?group_by={groupBy}&limit=2&cursor={first.Json.Text("next_cursor")}");

        var pages = first.Json.GetProperty("groups").Items().Concat(second.Json.GetProperty("groups").Items());
        Assert.That(pages.Select(g => g.GetRawText()), Is.EqualTo(whole.Json.GetProperty("groups").Items().Select(g => g.GetRawText())));
        Assert.That(whole.Json.GetProperty("groups").GetArrayLength(), Is.EqualTo(3));
    }

    [Test]
    public async Task Get_NextPageLater_IsOfTheSameTime()
    {
        await AddAsync(clock.GetUtcNow(), "alice");
        await AddAsync(clock.GetUtcNow(), "bob");
        var first = await App.GetAsync("/usage?group_by=user&limit=1");

        clock.Advance(TimeSpan.FromHours(1));
        var second = await App.GetAsync(first.GetLink("next")!);

        Assert.That((second.Json.Text("from"), second.Json.Text("to")), Is.EqualTo((first.Json.Text("from"), first.Json.Text("to"))));
    }

    [Test]
    public async Task GetCsv_Groups_AreRowsBelowTheirNames()
    {
        await AddAsync(clock.GetUtcNow(), "alice");
        await AddAsync(clock.GetUtcNow(), "=1+2,\"x\"");

        var reply = await GetCsvAsync("/usage?group_by=user", "text/csv");

        Assert.That(reply.ContentType, Is.EqualTo("text/csv"));
        Assert.That(reply.Text, Is.EqualTo(
            "user_id," + Columns + "\r\n"
            + "\"'=1+2,\"\"x\"\"\",1,11,22,0,0,0,0,0,1,0\r\n"
            + "alice,1,11,22,0,0,0,0,0,1,0\r\n"));
    }

    [Test]
    public async Task GetCsv_Total_IsOneRow()
    {
        await App.PostAsync("/chat", new { user_id = "alice", message = "Hi" });

        var reply = await GetCsvAsync("/usage", "text/csv");

        Assert.That(reply.Text, Is.EqualTo(
            Columns + "\r\n1,11,7,0,0,0,0,0,0,0.000081\r\n"));
    }

    [TestCase("text/csv", "text/csv")]
    [TestCase("text/*", "text/csv")]
    [TestCase("text/csv, */*;q=0.1", "text/csv")]
    [TestCase("application/json;q=0.5, text/csv;q=0.9", "text/csv")]
    [TestCase("text/csv;q=0.5, application/json", "application/json")]
    [TestCase("text/csv, application/json", "application/json")]
    [TestCase("text/csv;q=0", "application/json")]
    [TestCase("*/*", "application/json")]
    [TestCase("image/png", "application/json")]
    [TestCase("nonsense", "application/json")]
    public async Task Get_Accept_ChoosesTheFormatThatIsWantedMore(string accept, string contentType)
    {
        var reply = await GetCsvAsync("/usage", accept);

        Assert.That((reply.Status, reply.ContentType), Is.EqualTo((200, contentType)));
    }

    [TestCase("=1", "'=1")]
    [TestCase("+1", "'+1")]
    [TestCase("-1", "'-1")]
    [TestCase("@a", "'@a")]
    [TestCase("\t=1", "'\t=1")]
    [TestCase("\r\n", "\"'\r\n\"")]
    [TestCase("a\"b", "\"a\"\"b\"")]
    [TestCase("a\nb", "\"a\nb\"")]
    [TestCase("a=1", "a=1")]
    public async Task GetCsv_TextsOfClients_AreNeitherFormulasNorOtherCells(string userId, string cell)
    {
        await AddAsync(clock.GetUtcNow(), userId);

        var reply = await GetCsvAsync("/usage?group_by=user", "text/csv");

        Assert.That(reply.Text, Does.Contain($"cost\r\n{cell},1,"));
    }

    private Task<ApiReply> GetCsvAsync(string path, string accept) => App.RequestAsync(HttpMethod.Get, path, null, ("Accept", accept));

    private Task AddAsync(DateTimeOffset at, string userId = "alice", string chatId = "chat-1", string model = "oss") =>
        App.Services.GetRequiredService<IUsageRepository>().AddAsync(new LedgerEntry
        {
            RunId = $"title-{++entries}",
            Purpose = AttemptPurpose.Title,
            ChatId = chatId,
            UserId = userId,
            Alias = "fast",
            Attempt = new Attempt
            {
                Number = 1,
                Provider = "groq",
                Model = model,
                Outcome = AttemptOutcome.Completed,
                Usage = new TokenUsage(11, 22),
                StartedAt = at,
                CompletedAt = at,
            },
        }, CancellationToken.None);
}
