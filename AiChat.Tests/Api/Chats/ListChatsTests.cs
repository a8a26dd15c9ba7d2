using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Chats;

public sealed class ListChatsTests : ApiTestBase
{
    private FakeTime time = null!;

    // The clock stands still, so all chats of a test have the same instants unless the test moves it.
    [SetUp]
    public void Start()
    {
        time = new FakeTime();
        StartApp(services => services.AddSingleton<TimeProvider>(time));
    }

    [Test]
    public async Task List_UserWithoutChats_IsEmpty()
    {
        var reply = await App.GetAsync("/chats?user_id=nobody");

        Assert.That(reply.Text, Is.EqualTo("""{"chats":[],"next_cursor":null,"total":0}"""));
    }

    [TestCase("")]
    [TestCase("?user_id=default")]
    public async Task List_ChatsOfTheDefaultUser_NeedNoName(string query)
    {
        var created = await App.PostJsonAsync("/chats", "{}");

        var reply = await App.GetAsync("/chats" + query);

        Assert.That(reply.Json.GetProperty("chats").Texts("id"), Is.EqualTo(new[] { created.Json.Text("id") }));
    }

    [Test]
    public async Task List_SeveralUsers_ShowsEachTheirOwn()
    {
        var mine = await App.CreateChatAsync("alice");
        await App.CreateChatAsync("bob");

        var reply = await App.GetAsync("/chats?user_id=alice");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.GetProperty("chats").Texts("id"), Is.EqualTo(new[] { mine }));
            Assert.That(reply.Json.Number("total"), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task List_ChatsOfDifferentTimes_NewestUpdateFirst()
    {
        var oldest = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        var middle = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        var newest = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        await App.SendAsync(oldest, "Back to this one");

        var reply = await App.GetAsync("/chats?user_id=alice");

        Assert.That(reply.Json.GetProperty("chats").Texts("id"), Is.EqualTo(new[] { oldest, newest, middle }));
    }

    [Test]
    public async Task List_PatchedChat_ComesFirst()
    {
        var older = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        var newer = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        await App.PatchAsync($"/chats/{older}?user_id=alice", new { title = "Touched" });

        var reply = await App.GetAsync("/chats?user_id=alice");

        Assert.That(reply.Json.GetProperty("chats").Texts("id"), Is.EqualTo(new[] { older, newer }));
    }

    [Test]
    public async Task List_ManyChatsOfOneInstant_PagesShowEachOnce()
    {
        var created = await CreateAsync(230);

        var pages = await ReadPagesAsync("/chats?user_id=alice&limit=50");

        Assert.Multiple(() =>
        {
            Assert.That(pages.Select(p => p.Json.GetProperty("chats").GetArrayLength()), Is.EqualTo(new[] { 50, 50, 50, 50, 30 }));
            Assert.That(pages.SelectMany(p => p.Json.GetProperty("chats").Texts("id")), Is.EqualTo(created.OrderDescending(StringComparer.Ordinal)));
            Assert.That(pages.Select(p => p.Json.Number("total")), Is.All.EqualTo(230));
        });
    }

    [Test]
    public async Task List_LastPageExactlyFull_HasNoNext()
    {
        await CreateAsync(4);

        var pages = await ReadPagesAsync("/chats?user_id=alice&limit=2");

        Assert.That(pages.Select(p => p.Json.GetProperty("chats").GetArrayLength()), Is.EqualTo(new[] { 2, 2 }));
    }

    [Test]
    public async Task List_WithoutLimit_GivesFifty()
    {
        await CreateAsync(51);

        var reply = await App.GetAsync("/chats?user_id=alice");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.GetProperty("chats").GetArrayLength(), Is.EqualTo(50));
            Assert.That(reply.Json.Text("next_cursor"), Is.Not.Empty);
        });
    }

    [Test]
    public async Task List_ChatsChangedBetweenPages_NoneOfTheOthersIsMissed()
    {
        var created = await CreateAsync(10);
        var first = await App.GetAsync("/chats?user_id=alice&limit=4");
        time.Advance(TimeSpan.FromMilliseconds(1));
        await App.DeleteAsync($"/chats/{first.Json.GetProperty("chats")[3].Text("id")}?user_id=alice");
        await App.PatchAsync($"/chats/{first.Json.GetProperty("chats")[0].Text("id")}?user_id=alice", new { title = "Touched" });
        await App.CreateChatAsync();

        var rest = await App.GetAsync($"/chats?user_id=alice&limit=100&cursor={first.Json.Text("next_cursor")}");

        Assert.That(rest.Json.GetProperty("chats").Texts("id"), Is.EqualTo(created.OrderDescending(StringComparer.Ordinal).Skip(4)));
    }

    [Test]
    public async Task List_AfterCreatesSendsAndDeletes_TotalIsExact()
    {
        var created = await CreateAsync(7);
        await App.PostAsync("/chat", new { user_id = "alice", message = "A chat of its own" });
        await App.DeleteAsync($"/chats/{created[0]}?user_id=alice");
        await App.DeleteAsync($"/chats/{created[0]}?user_id=alice");
        await App.DeleteAsync($"/chats/{created[1]}?user_id=bob");
        await App.DeleteAsync($"/chats/{created[2]}?user_id=alice");

        var reply = await App.GetAsync("/chats?user_id=alice&limit=1");

        Assert.That(reply.Json.Number("total"), Is.EqualTo(6));
    }

    [TestCase("limit=0", "limit")]
    [TestCase("limit=101", "limit")]
    [TestCase("limit=-1", "limit")]
    [TestCase("limit=many", "limit")]
    [TestCase("limit=", "limit")]
    [TestCase("limit=99999999999", "limit")]
    [TestCase("cursor=nonsense", "cursor")]
    [TestCase("cursor=MTc2NzIyNTYwMDAwMCB4", "cursor")]
    [TestCase("user_id=", "user_id")]
    [TestCase("user_id=a&user_id=b", "user_id")]
    [TestCase("user_id=a%00b", "user_id")]
    public async Task List_WrongQuery_IsRefusedNamingTheField(string query, string field)
    {
        var reply = await App.GetAsync("/chats?" + query);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Code, Is.EqualTo("validation_failed"));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { field }));
        });
    }

    [TestCase("limit=0&cursor=nonsense")]
    [TestCase("limit=0&cursor=nonsense&user_id=")]
    [TestCase("limit=many&cursor=nonsense&user_id=")]
    public async Task List_SeveralWrongFields_AreToldAtOnce(string query)
    {
        var reply = await App.GetAsync("/chats?" + query);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.ErrorFields, Has.Count.EqualTo(query.Split('&').Length));
        });
    }

    private async Task<IReadOnlyList<string>> CreateAsync(int count) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(_ => App.CreateChatAsync()));

    private async Task<IReadOnlyList<ApiReply>> ReadPagesAsync(string path)
    {
        var pages = new List<ApiReply> { await App.GetAsync(path) };
        while (pages[^1].Json.Text("next_cursor") is { } cursor)
            pages.Add(await App.GetAsync($"{path}&cursor={cursor}"));
        return pages;
    }
}
