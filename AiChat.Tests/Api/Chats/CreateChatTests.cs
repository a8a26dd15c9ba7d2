using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Chats;

public sealed class CreateChatTests : ApiTestBase
{
    private const string EveryLanguage = "Grüße, 漢字, עברית, हिन्दी, 👩‍👩‍👧‍👦 \"quoted\" <b>&amp;</b> \\ \t\n\u2028";

    [SetUp]
    public void Start() => StartOfflineApp();

    [Test]
    public async Task Create_EveryField_IsKept()
    {
        var reply = await App.PostJsonAsync("/chats", """
            {"user_id":"alice","title":"Trip","model":"smart","system_prompt":"Be brief.","metadata":{"tags":["a",1,null,true],"at":{"x":1.50}}}
            """);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"id":"<uuid>","user_id":"alice","title":"Trip","name":"Trip","model":"smart","system_prompt":"Be brief.","metadata":{"tags":["a",1,null,true],"at":{"x":1.50}},"message_count":0,"created_at":"<instant>","updated_at":"<instant>"}
                """));
        });
    }

    [TestCase("{}")]
    [TestCase("""{"user_id":null,"title":null,"model":null,"system_prompt":null,"metadata":null}""")]
    public async Task Create_NoField_IsAnEmptyChatOfTheDefaultUser(string body)
    {
        var reply = await App.PostJsonAsync("/chats", body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"id":"<uuid>","user_id":"default","title":null,"name":null,"model":null,"system_prompt":null,"metadata":{},"message_count":0,"created_at":"<instant>","updated_at":"<instant>"}
                """));
        });
    }

    [Test]
    public async Task Create_UnknownFields_AreIgnored()
    {
        var reply = await App.PostJsonAsync("/chats", """{"title":"T","id":"mine","message_count":7,"color":{"deep":[1,{}]},"Title":"other"}""");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Json.Text("id"), Is.Not.EqualTo("mine"));
            Assert.That(reply.Json.Number("message_count"), Is.Zero);
        });
    }

    [TestCase("{\"user_id\":\"alice\"}", "alice")]
    [TestCase("{\"user_id\":\"zoë & söhne/1?x=#😀\"}", "zoë & söhne/1?x=#😀")]
    [TestCase("{}", "default")]
    public async Task Create_Location_LeadsToTheChat(string body, string userId)
    {
        var created = await App.PostJsonAsync("/chats", body);

        var found = await App.GetAsync(created.Headers.Location!.ToString());

        Assert.Multiple(() =>
        {
            Assert.That(found.Status, Is.EqualTo(200));
            Assert.That(found.Text, Is.EqualTo(created.Text));
            Assert.That(found.Json.Text("user_id"), Is.EqualTo(userId));
        });
    }

    [Test]
    public async Task Create_TextsOfEveryLanguage_ComeBackAsTheyWere()
    {
        var created = await App.PostAsync("/chats", new { user_id = "用户😀", title = EveryLanguage, system_prompt = EveryLanguage, metadata = new { key = EveryLanguage } });

        var found = await App.GetAsync($"/chats/{created.Json.Text("id")}?user_id={Uri.EscapeDataString("用户😀")}");

        Assert.Multiple(() =>
        {
            Assert.That(found.Json.Text("user_id"), Is.EqualTo("用户😀"));
            Assert.That(found.Json.Text("title"), Is.EqualTo(EveryLanguage));
            Assert.That(found.Json.Text("name"), Is.EqualTo(EveryLanguage));
            Assert.That(found.Json.Text("system_prompt"), Is.EqualTo(EveryLanguage));
            Assert.That(found.Json.GetProperty("metadata").Text("key"), Is.EqualTo(EveryLanguage));
        });
    }

    [Test]
    public async Task Create_LongestAllowedTexts_AreKeptWhole()
    {
        var userId = new string('u', 256);
        var title = new string('t', 500);
        var prompt = new string('p', 64_000);

        var reply = await App.PostAsync("/chats", new { user_id = userId, title, system_prompt = prompt });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Json.Text("user_id"), Is.EqualTo(userId));
            Assert.That(reply.Json.Text("title"), Is.EqualTo(title));
            Assert.That(reply.Json.Text("system_prompt"), Is.EqualTo(prompt));
        });
    }

    [Test]
    public async Task Create_EverythingTooLongOrWrong_IsToldAtOnce()
    {
        var reply = await App.PostAsync("/chats", new
        {
            user_id = new string('u', 257),
            title = new string('t', 501),
            model = "genius",
            system_prompt = new string('p', 64_001),
            metadata = new { key = new string('m', 16 * 1024) },
        });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Code, Is.EqualTo("validation_failed"));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "metadata", "model", "system_prompt", "title", "user_id" }));
        });
    }

    [Test]
    public async Task Create_UnknownModel_IsRefusedNamingTheKnownOnes()
    {
        var reply = await App.PostAsync("/chats", new { user_id = "alice", model = "genius" });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Code, Is.EqualTo("unknown_model"));
            Assert.That(reply.Json.GetProperty("errors").GetProperty("model")[0].GetString(), Is.EqualTo("must be one of: fast, smart"));
        });
    }

    [Test]
    public async Task Create_DeepMetadata_IsKept()
    {
        var metadata = string.Concat(Enumerable.Repeat("{\"a\":", 60)) + "1" + new string('}', 60);

        var created = await App.PostJsonAsync("/chats", $$"""{"user_id":"alice","metadata":{{metadata}}}""");

        var listed = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(created.Status, Is.EqualTo(201));
            Assert.That(created.Json.GetProperty("metadata").GetRawText(), Is.EqualTo(metadata));
            Assert.That(listed.Text, Does.Contain(metadata));
        });
    }
}
