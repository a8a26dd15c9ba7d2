using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Which conversation of seed 001 counts as the newest.</summary>
public sealed class ChatHistoryOrderTests : ChatHistoryTestBase
{
    private readonly FakeTime time = new();

    [SetUp]
    public void Start() => StartApp(services => services.AddSingleton<TimeProvider>(time));

    [Test]
    public async Task GetOrCreate_UserWithConversations_GetsTheOneUpdatedLast()
    {
        var older = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromSeconds(1));
        await App.CreateChatAsync();
        time.Advance(TimeSpan.FromSeconds(1));
        await AddAsync(older, new { role = "user", content = "Again" });

        var first = await OpenAsync();
        var second = await OpenAsync();

        Assert.That(new[] { first, second }, Has.All.EqualTo(older));
    }

    [Test]
    public async Task AddMessage_Stored_MovesTheConversationToTheFront()
    {
        var older = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromSeconds(1));
        var newer = await App.CreateChatAsync();
        time.Advance(TimeSpan.FromSeconds(1));

        var reply = await AddAsync(older, new { role = "user", content = "Hello" });

        var list = (await App.GetAsync("/users/alice/conversations")).Json.GetProperty("conversations");
        Assert.Multiple(() =>
        {
            Assert.That(list.Texts("id"), Is.EqualTo(new[] { older, newer }));
            Assert.That(list[0].Text("updated_at"), Is.EqualTo(reply.Json.Text("created_at")));
        });
    }

    [Test]
    public async Task Conversations_MoreThanAPage_AreAllThereNewestFirst()
    {
        var ids = new List<string>();
        for (var i = 0; i < 600; i++)
        {
            ids.Add(await App.CreateChatAsync());
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        var reply = await App.GetAsync("/users/alice/conversations");

        var list = reply.Json.GetProperty("conversations");
        Assert.Multiple(() =>
        {
            Assert.That(list.Texts("conversation_id"), Is.EqualTo(Enumerable.Reverse(ids)));
            Assert.That(reply.GetHeader("Link"), Is.Null);
        });
    }
}
