using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Chats;

public sealed class MessagesTests : ApiTestBase
{
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
    }

    [Test]
    public async Task Messages_EmptyChat_IsAnEmptyArray()
    {
        var whole = await App.GetMessagesAsync(chatId);
        var page = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&limit=10");

        Assert.Multiple(() =>
        {
            Assert.That(whole.Status, Is.EqualTo(200));
            Assert.That(whole.Text, Is.EqualTo("[]"));
            Assert.That(page.Text, Is.EqualTo("[]"));
            Assert.That(page.GetHeader("Link"), Is.Null);
        });
    }

    [Test]
    public async Task Messages_LongChatWithoutLimit_AreAllThereInOrder()
    {
        await FillAsync(turns: 700);

        var reply = await App.GetMessagesAsync(chatId);

        Assert.Multiple(() =>
        {
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Json.Numbers("sequence"), Is.EqualTo(Enumerable.Range(1, 1400)));
            Assert.That(reply.Json.Texts("content"), Is.EqualTo(Enumerable.Range(0, 700).SelectMany(i => new[] { $"Question {i}", $"Answer {i}" })));
            Assert.That(reply.Json.Texts("id"), Is.Unique);
            Assert.That(reply.GetHeader("Link"), Is.Null);
        });
    }

    [TestCase("after=598", 599, 600)]
    [TestCase("before=4", 1, 3)]
    [TestCase("after=48&before=555", 49, 554)]
    [TestCase("after=0&before=2147483647", 1, 600)]
    public async Task Messages_RangeWithoutLimit_IsWhole(string query, int first, int last)
    {
        await FillAsync(turns: 300);

        var reply = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&{query}");

        Assert.That(reply.Json.Numbers("sequence"), Is.EqualTo(Enumerable.Range(first, last - first + 1)));
    }

    [TestCase("after=1400")]
    [TestCase("before=1")]
    [TestCase("after=5&before=6")]
    [TestCase("after=9&before=3")]
    [TestCase("limit=5&after=20")]
    [TestCase("limit=5&before=1")]
    public async Task Messages_RangeOfNothing_IsEmpty(string query)
    {
        await FillAsync(turns: 10);

        var reply = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&{query}");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Text, Is.EqualTo("[]"));
        });
    }

    [TestCase("limit=4", 17, 20)]
    [TestCase("limit=1", 20, 20)]
    [TestCase("limit=20", 1, 20)]
    [TestCase("limit=1000", 1, 20)]
    [TestCase("limit=4&before=10", 6, 9)]
    [TestCase("limit=4&before=3", 1, 2)]
    [TestCase("limit=4&after=10", 11, 14)]
    [TestCase("limit=4&after=0", 1, 4)]
    [TestCase("limit=4&after=18", 19, 20)]
    [TestCase("limit=4&after=3&before=6", 4, 5)]
    public async Task Messages_Page_IsOldestFirst(string query, int first, int last)
    {
        await FillAsync(turns: 10);

        var reply = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&{query}");

        Assert.That(reply.Json.Numbers("sequence"), Is.EqualTo(Enumerable.Range(first, last - first + 1)));
    }

    [Test]
    public async Task Messages_PrevLinks_LeadFromTheNewestToTheFirst()
    {
        await FillAsync(turns: 10);

        var pages = await FollowAsync($"/chats/{chatId}/messages?user_id=alice&limit=6", "prev");

        Assert.That(pages.Select(p => string.Join(' ', p.Json.Numbers("sequence"))),
            Is.EqualTo(new[] { "15 16 17 18 19 20", "9 10 11 12 13 14", "3 4 5 6 7 8", "1 2" }));
    }

    [Test]
    public async Task Messages_NextLinks_LeadFromTheFirstToTheNewest()
    {
        await FillAsync(turns: 10);

        var pages = await FollowAsync($"/chats/{chatId}/messages?user_id=alice&limit=6&after=0", "next");

        Assert.That(pages.Select(p => string.Join(' ', p.Json.Numbers("sequence"))),
            Is.EqualTo(new[] { "1 2 3 4 5 6", "7 8 9 10 11 12", "13 14 15 16 17 18", "19 20" }));
    }

    [Test]
    public async Task Messages_NextLinksOfARange_StayInside()
    {
        await FillAsync(turns: 10);

        var pages = await FollowAsync($"/chats/{chatId}/messages?user_id=alice&limit=3&after=4&before=10", "next");

        Assert.That(pages.Select(p => string.Join(' ', p.Json.Numbers("sequence"))), Is.EqualTo(new[] { "5 6 7", "8 9" }));
    }

    [Test]
    public async Task Messages_PrevLinkOfAPageInTheMiddle_LeadsToItsOlderNeighbours()
    {
        await FillAsync(turns: 10);
        var middle = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&limit=4&after=10");

        var older = await App.GetAsync(middle.GetLink("prev")!);

        Assert.That(older.Json.Numbers("sequence"), Is.EqualTo(new[] { 7, 8, 9, 10 }));
    }

    [Test]
    public async Task Messages_LinksOfAnOddlyNamedUser_KeepTheName()
    {
        const string user = "zoë & söhne/1?x=#😀>,;\"";
        var chat = await App.CreateChatAsync(user);
        await App.SendAsync(chat, "One", user);
        await App.SendAsync(chat, "Two", user);

        var pages = await FollowAsync($"/chats/{chat}/messages?limit=3&user_id={Uri.EscapeDataString(user)}", "prev");

        Assert.That(pages.Select(p => string.Join(' ', p.Json.Numbers("sequence"))), Is.EqualTo(new[] { "2 3 4", "1" }));
    }

    [Test]
    public async Task Messages_OfTheDefaultUser_LinksNeedNoName()
    {
        var chat = await App.PostAsync("/chat", new { message = "One" });

        var pages = await FollowAsync($"/chats/{chat.Json.Text("chat_id")}/messages?limit=1", "prev");

        Assert.That(pages.SelectMany(p => p.Json.Texts("role")), Is.EqualTo(new[] { "assistant", "user" }));
    }

    [TestCase("limit=0", "limit")]
    [TestCase("limit=1001", "limit")]
    [TestCase("limit=x", "limit")]
    [TestCase("before=0", "before")]
    [TestCase("before=1.5", "before")]
    [TestCase("after=-1", "after")]
    [TestCase("after=99999999999", "after")]
    public async Task Messages_WrongQuery_IsRefusedNamingTheField(string query, string field)
    {
        var reply = await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&{query}");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Code, Is.EqualTo("validation_failed"));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { field }));
        });
    }

    [Test]
    public async Task Messages_WhileAReplyIsWritten_ShowItInProgress()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var sending = App.SendAsync(chatId, "Hello");
        await Llm.WaitForRequestsAsync(1);

        var messages = await App.GetMessagesAsync(chatId);

        Llm.Release();
        await sending;
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json.Texts("status"), Is.EqualTo(new[] { "completed", "in_progress" }));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", "" }));
        });
    }

    private Task FillAsync(int turns) => App.FillAsync(chatId, [.. Enumerable.Range(0, turns).Select(i => ($"Question {i}", $"Answer {i}"))]);

    private async Task<IReadOnlyList<ApiReply>> FollowAsync(string path, string relation)
    {
        var pages = new List<ApiReply> { await App.GetAsync(path) };
        while (pages[^1].GetLink(relation) is { } next)
            pages.Add(await App.GetAsync(next));
        return pages;
    }
}
