using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Chats;

public sealed class DeleteChatTests : ApiTestBase
{
    [SetUp]
    public void Start() => StartApp();

    [Test]
    public async Task Delete_Chat_IsGoneWithItsMessages()
    {
        var chatId = await App.CreateChatAsync();
        await App.SendAsync(chatId, "Hello");

        var deleted = await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        var messages = await App.GetMessagesAsync(chatId);
        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(deleted.Status, Is.EqualTo(204));
            Assert.That(deleted.Text, Is.Empty);
            Assert.That(chat.Code, Is.EqualTo("chat_not_found"));
            Assert.That(messages.Code, Is.EqualTo("chat_not_found"));
            Assert.That(list.Text, Is.EqualTo("""{"chats":[],"next_cursor":null,"total":0}"""));
        });
    }

    [Test]
    public async Task Delete_Twice_IsNotFoundTheSecondTime()
    {
        var chatId = await App.CreateChatAsync();
        await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var again = await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        Assert.Multiple(() =>
        {
            Assert.That(again.Status, Is.EqualTo(404));
            Assert.That(again.Code, Is.EqualTo("chat_not_found"));
        });
    }

    [Test]
    public async Task Delete_WhileTheReplyIsGenerated_EndsTheCallAndTellsTheSender()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var chatId = await App.CreateChatAsync();
        var sending = App.SendAsync(chatId, "Tell me a long story");
        await Llm.WaitForRequestsAsync(1);

        var deleted = await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var sent = await sending;
        await Llm.WaitForAbortsAsync(1);
        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(deleted.Status, Is.EqualTo(204));
            Assert.That(sent.Status, Is.EqualTo(404));
            Assert.That(sent.Code, Is.EqualTo("chat_deleted"));
            Assert.That(chat.Status, Is.EqualTo(404));
            Assert.That(list.Json.Number("total"), Is.Zero);
        });
    }

    [Test]
    public async Task Delete_WhileSendsWaitTheirTurn_TellsEverySender()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var chatId = await App.CreateChatAsync();
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        var second = App.SendAsync(chatId, "Second");
        var third = App.SendAsync(chatId, "Third");
        await App.WaitForMessagesAsync(chatId, 6);

        await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var sent = await Task.WhenAll(first, second, third).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Multiple(() =>
        {
            Assert.That(sent.Select(s => s.Status), Is.All.EqualTo(404));
            Assert.That(sent.Select(s => s.Code), Is.All.EqualTo("chat_deleted"));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Delete_OneOfTwoChatsBeingAnswered_LeavesTheOtherAlone()
    {
        Llm.Enqueue(LlmReplies.Slow(), LlmReplies.Slow());
        var kept = await App.CreateChatAsync();
        var deleted = await App.CreateChatAsync();
        var sending = App.SendAsync(kept, "Keep me");
        await Llm.WaitForRequestsAsync(1);
        var doomed = App.SendAsync(deleted, "Forget me");
        await Llm.WaitForRequestsAsync(2);
        await App.DeleteAsync($"/chats/{deleted}?user_id=alice");
        await Llm.WaitForAbortsAsync(1);
        Llm.Release();

        var sent = await sending;

        Assert.Multiple(() =>
        {
            Assert.That(sent.Status, Is.EqualTo(200));
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("late"));
            Assert.That(doomed.Result.Code, Is.EqualTo("chat_deleted"));
        });
    }

    [Test]
    public async Task Delete_RightWhenRepliesEnd_NeverFails()
    {
        var chats = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => App.CreateChatAsync()));
        var sends = chats.Select(id => App.SendAsync(id, "Hello")).ToList();

        var deletes = await Task.WhenAll(chats.Select(id => App.DeleteAsync($"/chats/{id}?user_id=alice")));

        var sent = await Task.WhenAll(sends);
        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(deletes.Select(d => d.Status), Is.All.EqualTo(204));
            Assert.That(sent.Select(s => s.Status), Is.All.EqualTo(200).Or.EqualTo(404));
            Assert.That(list.Json.Number("total"), Is.Zero);
        });
    }
}
