using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>One path with and without a slash at its end, as two endpoints.</summary>
public sealed class TrailingSlashTests : DialectTestBase
{
    [TestCase("/chats/")]
    [TestCase("/chats/?user_id=default")]
    [TestCase("/CHATS/")]
    public async Task Get_PathWithSlash_IsTheAttributedAction(string path)
    {
        var reply = await App.GetAsync(path);

        Assert.That(reply.Text, Is.EqualTo("[]"));
    }

    [TestCase("/chats")]
    [TestCase("/chats?user_id=a/")]
    [TestCase("/CHATS")]
    public async Task Get_PathWithoutSlash_IsThePlainAction(string path)
    {
        var reply = await App.GetAsync(path);

        Assert.That(reply.Text, Is.EqualTo("""{"chats":[],"next_cursor":null,"total":0}"""));
    }

    [Test]
    public async Task AnyOtherRoute_WithASlashAtItsEnd_IsTheSame()
    {
        var created = await App.PostAsync("/chats/", new { title = "A" });
        var found = await App.GetAsync($"/chats/{created.Json.Text("id")}/");
        var health = await App.GetAsync("/health/");

        Assert.That(new[] { created.Status, found.Status, health.Status }, Is.EqualTo(new[] { 201, 200, 200 }));
    }

    [TestCase("/chats")]
    [TestCase("/chats/")]
    public async Task AnyForm_MethodNobodyTakes_IsNotAllowed(string path)
    {
        var reply = await App.DeleteAsync(path);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(405));
            Assert.That(reply.ContentHeaders.Allow, Is.EquivalentTo(new[] { "GET", "POST" }));
        });
    }
}
