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
            Assert.That(reply.Masked, Does.Contain(
                """{"name":"fast","provider":"offline","model":"offline","candidates":[{"provider":"groq","model":"openai/gpt-oss-20b","context_window":131072,"max_output_tokens":65536,"input_price":0.075,"output_price":0.30,"usable":false,"missing_setting":"GROQ_API_KEY","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null},{"provider":"openai","model":"gpt-4.1-mini","context_window":1047576,"max_output_tokens":32768,"input_price":0.40,"output_price":1.60,"usable":false,"missing_setting":"OPENAI_API_KEY","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null},{"provider":"anthropic","model":"claude-haiku-4-5","context_window":200000,"max_output_tokens":64000,"input_price":1.00,"output_price":5.00,"usable":false,"missing_setting":"ANTHROPIC_API_KEY","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null},{"provider":"offline","model":"offline","context_window":131072,"max_output_tokens":null,"input_price":0,"output_price":0,"usable":true,"missing_setting":null,"active":true,"state":"closed","since":"<instant>","last_error":null,"time_to_first_token_ms":null}]}"""));
        });
    }

    [Test]
    public async Task List_WithOneKey_ShowsTheCandidateThatAnswers()
    {
        StartApp();

        var reply = await App.GetAsync("/models");

        Assert.That(reply.Masked, Does.Contain(
            """{"name":"smart","provider":"groq","model":"openai/gpt-oss-120b","candidates":[{"provider":"groq","model":"openai/gpt-oss-120b","context_window":131072,"max_output_tokens":65536,"input_price":0.15,"output_price":0.60,"usable":true,"missing_setting":null,"active":true,"state":"closed","since":"<instant>","last_error":null,"time_to_first_token_ms":null},{"provider":"openai","model":"gpt-4.1","context_window":1047576,"max_output_tokens":32768,"input_price":2.00,"output_price":8.00,"usable":false,"missing_setting":"OPENAI_API_KEY","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null},{"provider":"anthropic","model":"claude-sonnet-4-5","context_window":200000,"max_output_tokens":64000,"input_price":3.00,"output_price":15.00,"usable":false,"missing_setting":"ANTHROPIC_API_KEY","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null}]}"""));
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
    public async Task List_PricesAndLongestAnswer_AreThoseOfTheConfiguration()
    {
        StartApp(
            ("Models:fast:Candidates:0:InputPrice", "0.075"), ("Models:fast:Candidates:0:OutputPrice", "0"),
            ("Models:fast:Candidates:0:MaxOutputTokens", "4096"));

        var reply = await App.GetAsync("/models");

        var candidate = reply.Json.GetProperty("models")[0].GetProperty("candidates")[0];
        Assert.That(
            (candidate.GetProperty("input_price").GetDecimal(), candidate.GetProperty("output_price").GetDecimal(), candidate.Number("max_output_tokens")),
            Is.EqualTo((0.075m, 0m, 4096)));
    }

    [Test]
    public async Task List_AfterAFailure_SaysWhyTheCallFailed()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(503));
        await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/models");

        Assert.That(reply.Json.GetProperty("models")[0].GetProperty("candidates").Texts("last_error"), Is.EqualTo(new[] { "provider_unavailable", null, null }));
    }

    [Test]
    public async Task List_Keys_AreNeverShown()
    {
        StartApp();

        var reply = await App.GetAsync("/models");

        Assert.That(reply.Text, Does.Not.Contain(AiChatApplication.GroqKey));
    }
}
