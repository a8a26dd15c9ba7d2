using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

public sealed class SendLoadTests : ApiTestBase
{
    [Test]
    public async Task Send_TwoHundredAtOnceToFiftyChatsOfTenUsers_AreAllAnsweredAndCounted()
    {
        StartApp();
        var chats = await Task.WhenAll(Enumerable.Range(0, 50).Select(CreateAsync));

        var sent = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => App.SendAsync(chats[i % 50].Id, $"Message {i}", chats[i % 50].User)));

        var found = await Task.WhenAll(chats.Select(c => App.GetAsync($"/chats/{c.Id}?user_id={c.User}")));
        var messages = await Task.WhenAll(chats.Select(c => App.GetMessagesAsync(c.Id, c.User)));
        var lists = await Task.WhenAll(Enumerable.Range(0, 10).Select(u => App.GetAsync($"/chats?user_id=user{u}")));
        Assert.Multiple(() =>
        {
            Assert.That(sent.Select(s => s.Status), Is.All.EqualTo(200));
            Assert.That(sent.Select(s => s.Json.Text("reply")), Is.EqualTo(Enumerable.Range(0, 200).Select(i => $"echo: Message {i}")));
            Assert.That(found.Select(c => c.Json.Number("message_count")), Is.All.EqualTo(8));
            Assert.That(messages.Select(m => m.Json.Numbers("sequence")), Is.All.EqualTo(Enumerable.Range(1, 8)));
            Assert.That(messages.SelectMany(m => m.Json.Texts("status")), Is.All.EqualTo("completed"));
            Assert.That(messages.SelectMany(m => m.Json.Texts("id")), Is.Unique);
            Assert.That(lists.Select(l => l.Json.Number("total")), Is.All.EqualTo(5));
        });
    }

    [Test]
    public async Task Send_AHundredAtOnceWithoutChat_MakeAHundredChats()
    {
        StartApp();

        var sent = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => App.PostAsync("/chat", new { user_id = "alice", message = $"Message {i}" })));

        var list = await App.GetAsync("/chats?user_id=alice&limit=100");
        Assert.Multiple(() =>
        {
            Assert.That(sent.Select(s => s.Status), Is.All.EqualTo(200));
            Assert.That(sent.Select(s => s.Json.Text("chat_id")), Is.Unique);
            Assert.That(list.Json.Number("total"), Is.EqualTo(100));
            Assert.That(list.Json.GetProperty("chats").Texts("id"), Is.EquivalentTo(sent.Select(s => s.Json.Text("chat_id"))));
        });
    }

    private async Task<(string Id, string User)> CreateAsync(int index)
    {
        var user = $"user{index % 10}";
        return (await App.CreateChatAsync(user), user);
    }
}
