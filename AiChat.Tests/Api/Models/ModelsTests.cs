using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Models;

public sealed class ModelsTests : ApiTestBase
{
    [Test]
    public async Task List_WithoutKey_ShowsWhatIsMissingAndWhatAnswers()
    {
        StartOfflineApp();

        var reply = await App.GetAsync("/models");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "models" }));
            Assert.That(reply.Json.GetProperty("models").Texts("name"), Is.EqualTo(new[] { "fast", "smart" }));
            Assert.That(reply.Json.GetProperty("models")[0].GetRawText(), Is.EqualTo(
                """{"name":"fast","provider":"offline","model":"offline","candidates":[{"provider":"groq","model":"openai/gpt-oss-20b","context_window":131072,"usable":false,"missing_setting":"GROQ_API_KEY","active":false},{"provider":"openai","model":"gpt-4.1-mini","context_window":1047576,"usable":false,"missing_setting":"OPENAI_API_KEY","active":false},{"provider":"anthropic","model":"claude-haiku-4-5","context_window":200000,"usable":false,"missing_setting":"ANTHROPIC_API_KEY","active":false},{"provider":"offline","model":"offline","context_window":131072,"usable":true,"missing_setting":null,"active":true}]}"""));
        });
    }

    [Test]
    public async Task List_WithOneKey_ShowsTheCandidateThatAnswers()
    {
        StartApp();

        var reply = await App.GetAsync("/models");

        Assert.That(reply.Json.GetProperty("models")[1].GetRawText(), Is.EqualTo(
            """{"name":"smart","provider":"groq","model":"openai/gpt-oss-120b","candidates":[{"provider":"groq","model":"openai/gpt-oss-120b","context_window":131072,"usable":true,"missing_setting":null,"active":true},{"provider":"openai","model":"gpt-4.1","context_window":1047576,"usable":false,"missing_setting":"OPENAI_API_KEY","active":false},{"provider":"anthropic","model":"claude-sonnet-4-5","context_window":200000,"usable":false,"missing_setting":"ANTHROPIC_API_KEY","active":false}]}"""));
    }

    [Test]
    public async Task List_KeyOfTheSecondCandidateOnly_PassesOverTheFirst()
    {
        StartApp(("GROQ_API_KEY", ""), ("OPENAI_API_KEY", "sk-test"), ("Providers:openai:BaseUrl", Llm.BaseUrl));

        var sent = await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/models");
        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("provider"), Is.EqualTo("openai"));
            Assert.That(sent.Json.Text("model"), Is.EqualTo("gpt-4.1-mini"));
            Assert.That(reply.Json.GetProperty("models").Texts("provider"), Is.All.EqualTo("openai"));
        });
    }

    [Test]
    public async Task Send_DirectModelIsAllowed_IsAskedOfItsProvider()
    {
        StartApp(("Models:AllowDirect", "true"));

        var sent = await App.PostAsync("/chat", new { message = "Hello", model = "groq/vendor/model" });

        Assert.That((sent.Status, sent.Json.Text("provider"), Llm.Requests.Single().Model), Is.EqualTo((200, "groq", "vendor/model")));
        Assert.That((await App.GetAsync("/models")).Json.GetProperty("models").Texts("name"), Is.EqualTo(new[] { "fast", "smart" }));
    }

    [TestCase("true", "groq/")]
    [TestCase("true", "openai/gpt-4.1", Description = "It has no key.")]
    [TestCase("false", "groq/openai/gpt-oss-20b")]
    public async Task Send_DirectModelIsNotThere_IsRefused(string isAllowed, string model)
    {
        StartApp(("Models:AllowDirect", isAllowed));

        var sent = await App.PostAsync("/chat", new { message = "Hello", model });

        Assert.That((sent.Status, sent.Json.Text("code"), Llm.Requests.Count), Is.EqualTo((422, "unknown_model", 0)));
    }

    [Test]
    public async Task List_Keys_AreNeverShown()
    {
        StartApp();

        var reply = await App.GetAsync("/models");

        Assert.That(reply.Text, Does.Not.Contain(AiChatApplication.GroqKey));
    }
}
