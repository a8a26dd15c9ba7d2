using AiChat.Tests.Api;

namespace AiChat.Tests.Support;

/// <summary>What tests rely on when they say that answers are as recorded.</summary>
public sealed class TranscriptTests : ApiTestBase
{
    private const string Recorded = """
        ### Create a chat
        POST /chats
        Content-Type: application/json

        {"user_id":"anna"}

        HTTP/1.1 201 Created
        Content-Type: application/json; charset=utf-8
        Location: /chats/{{chat}}?user_id=anna

        {"id":"{{chat}}","user_id":"anna","title":null,"name":null,"model":null,"system_prompt":null,"metadata":{},"message_count":0,"created_at":"{{instant}}","updated_at":"{{instant}}"}

        ### Delete it
        DELETE /chats/{{chat}}?user_id=anna

        HTTP/1.1 204 No Content

        ### It is gone
        GET /chats/{{chat}}?user_id=anna

        HTTP/1.1 404 Not Found
        Content-Type: application/problem+json

        {"type":"urn:aichat:problem:chat_not_found","title":"No such chat","status":404,"detail":"There is no such chat of this user. Check chat_id and user_id, or list the user's chats.","code":"chat_not_found","trace_id":"transcript"}

        """;

    [SetUp]
    public void Start() => StartOfflineApp();

    [Test]
    public async Task Replay_AsRecorded_IsTheSameText() => Assert.That(await Transcript.ReplayAsync(App.Client, Recorded), Is.EqualTo(Recorded));

    [Test]
    public async Task Replay_RequestsWithoutAnswers_AreRecorded()
    {
        var actual = await Transcript.ReplayAsync(App.Client, "### First\nGET /health\n\n### Second\nGET /health\n");

        const string answer = "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\n\n{\"status\":\"healthy\"}\n";
        Assert.That(actual, Is.EqualTo($"### First\nGET /health\n\n{answer}\n### Second\nGET /health\n\n{answer}"));
    }

    [Test]
    public async Task Replay_AnotherIdUnderAName_IsSeen()
    {
        var confused = Recorded.Replace("Location: /chats/{{chat}}", "Location: /chats/{{other}}", StringComparison.Ordinal);

        var actual = await Transcript.ReplayAsync(App.Client, confused);

        Assert.That(Transcript.Describe(confused, actual), Does.StartWith("\"### Create a chat\" is answered otherwise").And.Contains("{\"id\":\"{{other}}\""));
    }

    [Test]
    public async Task Replay_OneCharacterElse_IsSeenWithItsLine()
    {
        var changed = Recorded.Replace("\"status\":404", "\"status\":405", StringComparison.Ordinal);

        var actual = await Transcript.ReplayAsync(App.Client, changed);

        Assert.That(Transcript.Describe(changed, actual), Does.StartWith("\"### It is gone\" is answered otherwise; they part at ").And.Contains("now:      {\"type\""));
    }

    [Test]
    public async Task Replay_AHeaderLess_IsSeen()
    {
        var less = Recorded.Replace("Location: /chats/{{chat}}?user_id=anna\n", "", StringComparison.Ordinal);

        var actual = await Transcript.ReplayAsync(App.Client, less);

        Assert.That(Transcript.Describe(less, actual), Does.StartWith("\"### Create a chat\" is answered otherwise"));
    }

    [Test]
    public async Task Replay_InstantOfTheRequest_StaysAsItIs()
    {
        const string recorded = """
            ### Create a chat with an instant in its title
            POST /chats
            Content-Type: application/json

            {"title":"2026-01-02T03:04:05.678Z"}

            HTTP/1.1 201 Created
            Content-Type: application/json; charset=utf-8
            Location: /chats/{{chat}}

            {"id":"{{chat}}","user_id":"default","title":"2026-01-02T03:04:05.678Z","name":"2026-01-02T03:04:05.678Z","model":null,"system_prompt":null,"metadata":{},"message_count":0,"created_at":"{{instant}}","updated_at":"{{instant}}"}

            """;

        Assert.That(await Transcript.ReplayAsync(App.Client, recorded), Is.EqualTo(recorded));
    }
}
