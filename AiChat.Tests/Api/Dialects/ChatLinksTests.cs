using AiChat.Api.Chats;
using AiChat.Api.Dialects;
using AiChat.Core.Chats;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The way from one page of a dialect's list to the next.</summary>
public sealed class ChatLinksTests : DialectTestBase
{
    private static readonly ChatCursor Next = new(DateTimeOffset.FromUnixTimeMilliseconds(1_773_480_413_589), "0199c0de-5a10-7c3e-9d4b-3f6a2b8c1d0e");

    [TestCase("/chats/", "?limit=2", "</chats/?limit=2&cursor=CURSOR>; rel=\"next\"")]
    [TestCase("/list_chats", "?user_id=a%20%26%20b&limit=2&cursor=old", "</list_chats?user_id=a%20%26%20b&limit=2&cursor=CURSOR>; rel=\"next\"")]
    [TestCase("/conversation", "", "</conversation?cursor=CURSOR>; rel=\"next\"")]
    [TestCase("/conversation", "?Cursor=old&x=%3E%0D%0A", "</conversation?x=%3E%0D%0A&cursor=CURSOR>; rel=\"next\"")]
    [TestCase("/users/a>b/conversations", "?limit=1", "</users/a%3Eb/conversations?limit=1&cursor=CURSOR>; rel=\"next\"")]
    public void ToNext_PathAndQuery_KeepsThemAndChangesTheCursor(string path, string query, string link)
    {
        var parsed = new QueryCollection(QueryHelpers.ParseQuery(query));

        Assert.That(ChatLinks.ToNext(new PathString(path), parsed, Next), Is.EqualTo(link.Replace("CURSOR", Next.ToText(), StringComparison.Ordinal)));
    }

    [Test]
    public async Task ToNext_Followed_IsUnderstood()
    {
        var first = await App.GetAsync($"/models/?user_id=a%20%C3%A4&limit=2&cursor={Next.ToText()}");

        var second = await App.GetAsync(first.GetLink("next")!);

        Assert.Multiple(() =>
        {
            Assert.That(second.Text, Is.EqualTo("""["probe","a ä"]"""));
            Assert.That(second.GetLink("next"), Is.EqualTo($"/models/?user_id=a%20%C3%A4&limit=2&cursor={Next.ToText()}"));
        });
    }

    [TestCase("cursor=x", "cursor")]
    [TestCase("limit=0", "limit")]
    [TestCase("limit=101", "limit")]
    [TestCase("limit=1.5", "limit")]
    public async Task List_QueryThatIsNotValid_IsRefused(string query, string field)
    {
        var reply = await App.GetAsync($"/models/?{query}");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Json.GetProperty("detail")[0].GetProperty("loc").GetRawText(), Is.EqualTo($"[\"query\",\"{field}\"]"));
        });
    }

    [TestCase("limit=1")]
    [TestCase("limit=100")]
    public async Task List_LimitWithinBounds_IsTaken(string query)
    {
        var reply = await App.GetAsync($"/models/?{query}");

        Assert.That(reply.Status, Is.EqualTo(200));
    }
}
