using System.Text.Json.Nodes;
using AiChat.Api.Dialects;
using AiChat.Tests.Api.Dialects;

namespace AiChat.Tests.OpenApi;

/// <summary>What the document says of the routes of a dialect.</summary>
public sealed class DialectDocumentTests : DialectTestBase
{
    private DocumentedApi api = null!;

    [SetUp]
    public async Task ReadDocument() => api = new DocumentedApi((await App.GetAsync(DocumentedServer.DocumentPath)).Text);

    [TestCase("/chats", "listChats")]
    [TestCase("/chats/", "listChatsAsArray")]
    public void Paths_WithAndWithoutSlash_AreTwo(string path, string operationId)
    {
        Assert.That((string?)api.Root["paths"]![path]!["get"]!["operationId"], Is.EqualTo(operationId));
    }

    [Test]
    public async Task Errors_OfADialect_AreShownAsTheyAreAnswered()
    {
        var answered = (await App.GetAsync($"/probe/{Guid.CreateVersion7()}")).Text;

        var content = Find("probeGet").Responses["404"]!["content"]!.AsObject();

        Assert.Multiple(() =>
        {
            Assert.That(content.Select(c => c.Key), Is.EqualTo(new[] { "application/json" }));
            Assert.That(GetReference(content["application/json"]!["schema"]!), Is.EqualTo("FastApiErrorResponse"));
            Assert.That(content["application/json"]!["examples"]!["chat_not_found"]!["value"]!.ToJsonString(), Is.EqualTo(answered));
        });
    }

    [Test]
    public void Errors_OfInvalidFields_AreLists()
    {
        var content = Find("probeChange").Responses["422"]!["content"]!["application/json"]!;

        Assert.Multiple(() =>
        {
            Assert.That(GetReference(content["schema"]!), Is.EqualTo("FastApiValidationResponse"));
            Assert.That(content["examples"]![ProbeController.OwnProblem]!["value"]!.ToJsonString(), Is.EqualTo(
                """{"detail":[{"type":"value_error","loc":["body","first_message","text"],"msg":"must not be empty"}]}"""));
        });
    }

    [Test]
    public void Errors_OfAnInvalidQuery_SayWhereTheFieldIs()
    {
        var example = Find("probeList").Responses["422"]!["content"]!["application/json"]!["examples"]!["invalid_query"]!["value"]!;

        Assert.That(example["detail"]![0]!["loc"]!.ToJsonString(), Is.EqualTo("""["query","user_id"]"""));
    }

    [Test]
    public void Errors_OfTheDatabase_HaveTheDialectsStatus()
    {
        var operation = Find("probeGet");

        Assert.Multiple(() =>
        {
            Assert.That(string.Join(' ', operation.Responses.Select(r => r.Key)), Is.EqualTo("200 400 404 422 500"));
            Assert.That(operation.Responses["500"]!["headers"]!["Retry-After"], Is.Not.Null);
            Assert.That(operation.Responses["500"]!["content"]!["application/json"]!["examples"]!["database_unavailable"]!["value"]!.ToJsonString(),
                Is.EqualTo("""{"detail":"Internal Server Error"}"""));
        });
    }

    [Test]
    public void Errors_OfOurOwnRoutes_StayProblems()
    {
        var content = Find("getChat").Responses["404"]!["content"]!.AsObject();

        Assert.That(content.Select(c => c.Key), Is.EqualTo(new[] { "application/problem+json" }));
    }

    [Test]
    public void Examples_OfADialect_AreItsOwn()
    {
        var operation = Find("probeChange");

        Assert.Multiple(() =>
        {
            Assert.That((string?)operation.Json["requestBody"]!["content"]!["application/json"]!["examples"]!["whole"]!["value"]!["chat_title"], Is.EqualTo("A"));
            Assert.That((string?)operation.Responses["200"]!["content"]!["application/json"]!["example"]!["text"], Is.EqualTo("Hi"));
            Assert.That(Find("probeList").Responses["200"]!["content"]!["application/json"]!["example"]!.ToJsonString(), Is.EqualTo("""["probe","default"]"""));
        });
    }

    [TestCase("text/plain", "The text alone.", "Hi")]
    [TestCase("text/event-stream", "Pieces, then the end.", "data: Hi\n\nevent: end\n\n")]
    public void TextAnswers_OfAnAction_AreShown(string contentType, string description, string example)
    {
        var content = Find("probeGet").Responses["200"]!["content"]![contentType]!;

        Assert.Multiple(() =>
        {
            Assert.That((string?)content["schema"]!["type"], Is.EqualTo("string"));
            Assert.That((string?)content["schema"]!["description"], Is.EqualTo(description));
            Assert.That((string?)content["example"], Is.EqualTo(example));
        });
    }

    [Test]
    public void Parameters_WithADescriptionOfTheirOwn_KeepIt()
    {
        var id = Find("probeGet").Parameters.Single(p => (string?)p["name"] == "id");

        Assert.That((string?)id["description"], Is.EqualTo("The id of nothing."));
    }

    [Test]
    public void Schemas_IdsOfADialect_AreUuids()
    {
        Assert.That((string?)api.Root["components"]!["schemas"]!["ProbeResponse"]!["properties"]!["conversation_id"]!["format"], Is.EqualTo("uuid"));
    }

    [Test]
    public void Examples_OfEveryContent_FitTheirSchema()
    {
        var check = new SchemaCheck(api);

        var problems = api.Operations.SelectMany(api.GetExamples).SelectMany(e => check.FindProblems(e.Value, e.Schema).Select(p => $"{e.Name}: {p}"));

        Assert.That(problems, Is.Empty);
    }

    [Test]
    public void Tags_OfDialects_FollowOurs()
    {
        var tags = api.Root["tags"]!.AsArray().Select(t => (string)t!["name"]!).ToList();

        Assert.That(tags, Is.EqualTo(new[]
        {
            "Chats", "Messages", "Runs", "Models", "Usage", "Server",
            DialectTags.CreateChat, DialectTags.ChatHistory, DialectTags.Chat, DialectTags.ChatAi,
        }));
    }

    private DocumentedOperation Find(string operationId) => api.Operations.Single(o => o.Id == operationId);

    private static string GetReference(JsonNode schema) => ((string)schema["$ref"]!).Split('/')[^1];
}
