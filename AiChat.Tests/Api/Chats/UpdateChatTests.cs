using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Chats;

public sealed class UpdateChatTests : ApiTestBase
{
    private FakeTime time = null!;
    private string path = "";

    [SetUp]
    public async Task Start()
    {
        time = new FakeTime();
        StartApp(services => services.AddSingleton<TimeProvider>(time));
        var chat = await App.PostJsonAsync("/chats", """
            {"user_id":"alice","title":"Old","model":"smart","system_prompt":"Be brief.","metadata":{"a":1}}
            """);
        path = $"/chats/{chat.Json.Text("id")}?user_id=alice";
        time.Advance(TimeSpan.FromSeconds(1));
    }

    [TestCase("""{"title":"New"}""", """ "title":"New","name":"New","model":"smart","system_prompt":"Be brief.","metadata":{"a":1}""")]
    [TestCase("""{"model":"fast"}""", """ "title":"Old","name":"Old","model":"fast","system_prompt":"Be brief.","metadata":{"a":1}""")]
    [TestCase("""{"system_prompt":"Be long."}""", """ "title":"Old","name":"Old","model":"smart","system_prompt":"Be long.","metadata":{"a":1}""")]
    [TestCase("""{"metadata":{"b":2}}""", """ "title":"Old","name":"Old","model":"smart","system_prompt":"Be brief.","metadata":{"b":2}""")]
    [TestCase("""{"title":null}""", """ "title":null,"name":null,"model":"smart","system_prompt":"Be brief.","metadata":{"a":1}""")]
    [TestCase("""{"model":null}""", """ "title":"Old","name":"Old","model":null,"system_prompt":"Be brief.","metadata":{"a":1}""")]
    [TestCase("""{"system_prompt":null}""", """ "title":"Old","name":"Old","model":"smart","system_prompt":null,"metadata":{"a":1}""")]
    [TestCase("""{"metadata":null}""", """ "title":"Old","name":"Old","model":"smart","system_prompt":"Be brief.","metadata":{}""")]
    [TestCase("""{"title":"","metadata":{}}""", """ "title":"","name":"","model":"smart","system_prompt":"Be brief.","metadata":{}""")]
    [TestCase("""{"title":"漢字"}""", """ "title":"漢字","name":"漢字","model":"smart","system_prompt":"Be brief.","metadata":{"a":1}""")]
    public async Task Update_SomeFields_ChangesThemAndKeepsTheOthers(string body, string expected)
    {
        var changed = await App.PatchJsonAsync(path, body);

        var found = await App.GetAsync(path);
        Assert.Multiple(() =>
        {
            Assert.That(changed.Status, Is.EqualTo(200));
            Assert.That(changed.Masked, Is.EqualTo(
                $$"""{"id":"<uuid>","user_id":"alice",{{expected.Trim()}},"message_count":0,"created_at":"<instant>","updated_at":"<instant>"}"""));
            Assert.That(changed.Json.Text("created_at"), Is.EqualTo("2026-01-01T00:00:00.000Z"));
            Assert.That(changed.Json.Text("updated_at"), Is.EqualTo("2026-01-01T00:00:01.000Z"));
            Assert.That(found.Text, Is.EqualTo(changed.Text));
        });
    }

    [TestCase("{}")]
    [TestCase("""{"user_id":"bob","message_count":9,"unknown":true}""")]
    public async Task Update_NothingKnown_ChangesNothing(string body)
    {
        var before = await App.GetAsync(path);

        var reply = await App.PatchJsonAsync(path, body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Text, Is.EqualTo(before.Text));
            Assert.That(reply.Json.Text("updated_at"), Is.EqualTo("2026-01-01T00:00:00.000Z"));
        });
    }

    [Test]
    public async Task Update_EverythingWrong_IsToldAtOnceAndChangesNothing()
    {
        var before = await App.GetAsync(path);

        var reply = await App.PatchAsync(path, new { title = new string('t', 501), model = "genius", system_prompt = "a\0b", metadata = new[] { 1 } });

        var after = await App.GetAsync(path);
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "metadata", "model", "system_prompt", "title" }));
            Assert.That(after.Text, Is.EqualTo(before.Text));
        });
    }

    [Test]
    public async Task Update_WrongTypes_AreToldAtOnceAndChangeNothing()
    {
        var before = await App.GetAsync(path);

        var reply = await App.PatchJsonAsync(path, """{"title":1,"model":["fast"],"system_prompt":{},"metadata":{"ok":1}}""");

        var after = await App.GetAsync(path);
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "model", "system_prompt", "title" }));
            Assert.That(after.Text, Is.EqualTo(before.Text));
        });
    }

    [Test]
    public async Task Update_SystemPromptAndModel_CountFromTheNextMessageOn()
    {
        await App.PatchAsync(path, new { system_prompt = "Rhyme.", model = "fast" });

        await App.SendAsync(path.Split('/', '?')[2], "Hello");

        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests[0].Model, Is.EqualTo("openai/gpt-oss-20b"));
            Assert.That(Llm.Requests[0].Messages[0], Is.EqualTo(new LlmMessage("system", "Rhyme.")));
        });
    }
}
