using System.Net;
using System.Reflection;
using AiChat.Api.Dialects;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Routing;
using Microsoft.OpenApi;

namespace AiChat.Tests.OpenApi;

[TestFixture]
public sealed class OpenApiDocumentTests
{
    private DocumentedServer server = null!;
    private DocumentedApi api = null!;

    [OneTimeSetUp]
    public async Task StartServer()
    {
        server = await DocumentedServer.StartAsync();
        api = new DocumentedApi(await server.Client.GetStringAsync(DocumentedServer.DocumentPath));
    }

    [OneTimeTearDown]
    public async Task StopServer() => await server.DisposeAsync();

    [Test]
    public void Document_Parsed_IsOpenApi30WithoutErrors()
    {
        var result = Microsoft.OpenApi.OpenApiDocument.Parse(api.Text, "json");

        Assert.Multiple(() =>
        {
            Assert.That(result.Diagnostic!.SpecificationVersion, Is.EqualTo(OpenApiSpecVersion.OpenApi3_0));
            Assert.That(result.Diagnostic.Errors, Is.Empty);
            Assert.That(result.Diagnostic.Warnings, Is.Empty);
        });
    }

    [Test]
    public void Document_Info_SaysWhatItIs()
    {
        var info = api.Root["info"]!;

        Assert.Multiple(() =>
        {
            Assert.That((string?)info["title"], Is.EqualTo("AiChat"));
            Assert.That((string?)info["version"], Does.Match(@"^\d+\.\d+\.\d+"));
            Assert.That((string?)info["description"], Is.Not.Empty);
            Assert.That((string?)info["license"]!["name"], Is.EqualTo("MIT"));
            Assert.That((string?)api.Root["servers"]![0]!["url"], Is.EqualTo("/"));
        });
    }

    [Test]
    public void Operations_ComparedWithTheActions_AreTheSame()
    {
        var actions = typeof(Program).Assembly.GetTypes()
            .Where(type => type.IsAssignableTo(typeof(ControllerBase)))
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .SelectMany(method => method.GetCustomAttributes<HttpMethodAttribute>())
            .SelectMany(route => route.HttpMethods.Select(method => $"{method} {route.Template}"));

        Assert.That(api.Operations.Select(o => o.Name), Is.EquivalentTo(actions));
    }

    /// <summary>The linters let a path end with a slash, because one of a dialect does; no other may.</summary>
    [Test]
    public void Paths_ButOneOfADialect_EndWithoutASlash() =>
        Assert.That(api.Operations.Select(o => o.Path).Where(p => p.Length > 1 && p.EndsWith('/')), Is.SubsetOf(new[] { "/chats/" }));

    [Test]
    public void Paths_OfOurOwn_CannotBeTakenForEachOther()
    {
        var paths = api.Operations.Where(o => !IsOfDialect(o)).Select(o => o.Path.Split('/')).ToList();

        var pairs = from one in paths from other in paths where IsAmbiguous(one, other) select $"{string.Join('/', one)} {string.Join('/', other)}";

        Assert.That(pairs, Is.Empty);
    }

    /// <summary>The check above would pass for ever if it knew no ambiguous paths.</summary>
    [TestCase("/chats/{id}/messages", "/chats/update/{id}", true)]
    [TestCase("/chats/{id}", "/chats/create", false)]
    [TestCase("/chats/{id}/messages", "/chats/{id}/runs", false)]
    [TestCase("/chats/{id}/messages", "/chats/{id}", false)]
    public void Paths_BothWithALiteralWhereTheOtherHasNone_AreAmbiguous(string one, string other, bool isAmbiguous)
    {
        Assert.That(IsAmbiguous(one.Split('/'), other.Split('/')), Is.EqualTo(isAmbiguous));
    }

    [Test]
    public void OperationIds_InTheWholeDocument_AreUnique() =>
        Assert.That(api.Operations.Select(o => o.Id), Is.Unique);

    [Test]
    public void Operations_EachOfThem_HasSummaryDescriptionAndADescribedTag()
    {
        var tags = api.Root["tags"]!.AsArray().ToDictionary(t => (string)t!["name"]!, t => (string?)t!["description"]);

        Assert.Multiple(() =>
        {
            foreach (var operation in api.Operations)
            {
                Assert.That((string?)operation.Json["summary"], Is.Not.Null.And.Not.Empty, operation.Name);
                Assert.That((string?)operation.Json["description"], Is.Not.Null.And.Not.Empty, operation.Name);
                Assert.That(operation.Json["tags"]!.AsArray().Select(t => tags[(string)t!]), Has.Exactly(1).Not.Empty, operation.Name);
            }
        });
    }

    [Test]
    public void Parameters_EachOfThem_IsDescribed()
    {
        var undescribed = api.Operations
            .SelectMany(o => o.Parameters.Where(p => p["description"] is null).Select(p => $"{o.Name} {p["name"]}"));

        Assert.That(undescribed, Is.Empty);
    }

    [Test]
    public void Schemas_EachFieldOfThem_IsDescribed()
    {
        var undescribed = api.Root["components"]!["schemas"]!.AsObject()
            .SelectMany(s => (s.Value!["properties"]?.AsObject() ?? []).Select(p => (Name: $"{s.Key}.{p.Key}", Schema: p.Value!)))
            .Where(p => p.Schema["description"] is null);

        Assert.That(undescribed, Is.Empty);
    }

    [Test]
    public void Responses_EachOfThem_IsDescribedAndCarriesARequestId()
    {
        Assert.Multiple(() =>
        {
            foreach (var operation in api.Operations)
            {
                foreach (var (status, response) in operation.Responses)
                {
                    var isAnswered = status != "400" || response!["content"] is not null;
                    Assert.That((string?)response!["description"], Is.Not.Empty, $"{operation.Name} {status}");
                    Assert.That(response["headers"]?["x-request-id"], isAnswered ? Is.Not.Null : Is.Null, $"{operation.Name} {status}");
                }
            }
        });
    }

    [Test]
    public void Responses_ByStatus_AreJsonOrProblems()
    {
        var types = from operation in api.Operations
                    from response in operation.Responses
                    from content in response.Value!["content"]?.AsObject() ?? []
                    let errors = HasErrorsOfADialect(operation) ? "application/json" : "application/problem+json"
                    select (Response: $"{operation.Id} {response.Key}", Type: content.Key, Errors: errors);

        Assert.Multiple(() =>
        {
            foreach (var (response, type, errors) in types)
            {
                var isSuccess = response.Contains(" 2", StringComparison.Ordinal) || response == "getReadiness 503";
                Assert.That(isSuccess ? ["application/json", "text/event-stream", "text/csv", "text/plain"] : new[] { errors }, Does.Contain(type), response);
            }
        });
    }

    [Test]
    public void Examples_OfEveryContent_ExistAndFitTheirSchema()
    {
        var check = new SchemaCheck(api);

        Assert.Multiple(() =>
        {
            foreach (var operation in api.Operations)
            {
                var examples = api.GetExamples(operation).ToList();
                foreach (var (content, _) in api.GetContents(operation))
                    Assert.That(examples.Select(e => e.Name), Has.Some.StartsWith($"{operation.Name}, {content}, "));
                foreach (var example in examples)
                    Assert.That(check.FindProblems(example.Value, example.Schema), Is.Empty, example.Name);
            }
        });
    }

    [TestCase("createChat", "201 400 413 415 422 500 503")]
    [TestCase("listChats", "200 400 422 500 503")]
    [TestCase("getChat", "200 400 404 422 500 503")]
    [TestCase("updateChat", "200 400 404 413 415 422 500 503")]
    [TestCase("deleteChat", "204 400 404 422 500 503")]
    [TestCase("listMessages", "200 400 404 422 500 503")]
    [TestCase("sendMessage", "200 400 404 409 413 415 422 429 500 502 503 504")]
    [TestCase("retryRun", "200 400 404 409 422 429 500 502 503 504")]
    [TestCase("getRun", "200 400 404 422 500 503")]
    [TestCase("followRun", "200 204 400 404 422 500 503")]
    [TestCase("cancelRun", "200 400 404 422 500 503")]
    [TestCase("getUsage", "200 400 422 500 503")]
    [TestCase("listModels", "200 400 500")]
    [TestCase("getReadiness", "200 400 500 503")]
    [TestCase("createChatWithMessage", "200 400 404 409 413 415 422 429 500 502 503 504")]
    [TestCase("addMessageToChat", "200 400 404 409 413 415 422 429 500 502 503 504")]
    [TestCase("getTextsOfChat", "200 400 404 422 500 503")]
    [TestCase("listChatIds", "200 400 422 500 503")]
    [TestCase("deleteChatAndSaySo", "200 400 404 422 500 503")]
    [TestCase("startConversation", "200 400 422 500 503")]
    [TestCase("completeConversation", "200 400 404 409 413 415 422 429 500 502 503 504")]
    [TestCase("listConversationsWithMessages", "200 400 422 500 503")]
    public void Responses_OfAnOperation_AreEveryStatusItCanAnswer(string operationId, string statuses)
    {
        var operation = api.Operations.Single(o => o.Id == operationId);

        Assert.That(string.Join(' ', operation.Responses.Select(r => r.Key)), Is.EqualTo(statuses));
    }

    [TestCase("createChat", "201", "Location")]
    [TestCase("createChat", "201", "Idempotency-Replayed")]
    [TestCase("sendMessage", "200", "Idempotency-Replayed")]
    [TestCase("sendMessage", "409", "Retry-After")]
    [TestCase("listMessages", "200", "Link")]
    [TestCase("getUsage", "200", "Link")]
    [TestCase("sendMessage", "200", "RateLimit-Policy")]
    [TestCase("sendMessage", "200", "RateLimit")]
    [TestCase("sendMessage", "429", "RateLimit-Policy")]
    [TestCase("sendMessage", "429", "RateLimit")]
    [TestCase("sendMessage", "429", "Retry-After")]
    [TestCase("sendMessage", "503", "Retry-After")]
    [TestCase("getChat", "503", "Retry-After")]
    [TestCase("createChatWithMessage", "200", "X-Run-Id")]
    [TestCase("createChatWithMessage", "200", "X-Chat-Id")]
    [TestCase("addMessageToChat", "200", "X-Message-Id")]
    [TestCase("addMessageToChat", "200", "X-Chat-Id")]
    [TestCase("listChatIds", "200", "Link")]
    [TestCase("completeConversation", "200", "X-Run-Id")]
    [TestCase("completeConversation", "200", "X-Message-Id")]
    [TestCase("completeConversation", "200", "X-Chat-Id")]
    [TestCase("listConversationsWithMessages", "200", "Link")]
    public void Headers_OfAResponse_AreDeclared(string operationId, string status, string header)
    {
        var operation = api.Operations.Single(o => o.Id == operationId);

        Assert.That(operation.Responses[status]!["headers"]![header], Is.Not.Null);
    }

    [TestCase("CreateChatRequest", "")]
    [TestCase("UpdateChatRequest", "")]
    [TestCase("SendRequest", "message")]
    [TestCase("UsageResponse", "estimated input_tokens output_tokens")]
    [TestCase("ProblemResponse", "code detail status title trace_id type")]
    [TestCase("MessageResponse", "chat_id content created_at id model role run_id sequence status tool_calls updated_at")]
    public void Schema_OfAContract_NamesTheFieldsThatAreAlwaysThere(string schema, string fields)
    {
        var required = api.Root["components"]!["schemas"]![schema]!["required"]?.AsArray() ?? [];

        Assert.That(string.Join(' ', required.Select(r => (string)r!)), Is.EqualTo(fields));
    }

    [Test]
    public void Schema_OfAnEnum_ListsAndExplainsItsValues()
    {
        var status = api.Root["components"]!["schemas"]!["MessageStatus"]!;

        Assert.Multiple(() =>
        {
            Assert.That(
                status["enum"]!.AsArray().Select(v => (string)v!),
                Is.EqualTo(["in_progress", "completed", "failed", "cancelled", "incomplete"]));
            Assert.That((string?)status["description"], Does.Contain("- `completed`: Whole."));
        });
    }

    [Test]
    public async Task Document_AskedForAgain_IsNotSentTwice()
    {
        using var first = await server.Client.GetAsync(DocumentedServer.DocumentPath);
        using var request = new HttpRequestMessage(HttpMethod.Get, DocumentedServer.DocumentPath);
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);

        using var second = await server.Client.SendAsync(request);

        Assert.That(second.StatusCode, Is.EqualTo(HttpStatusCode.NotModified));
    }

    private static bool IsOfDialect(DocumentedOperation operation) => DialectTags.All.Any(t => t.Name == (string?)operation.Json["tags"]![0]);

    /// <summary>One dialect comes from a framework without errors of its own: it has ours.</summary>
    private static bool HasErrorsOfADialect(DocumentedOperation operation) =>
        IsOfDialect(operation) && (string?)operation.Json["tags"]![0] != DialectTags.Chat;

    /// <summary>Whether there is a request both match, and neither is the more precise one.</summary>
    private static bool IsAmbiguous(string[] one, string[] other)
    {
        var segments = one.Zip(other).ToList();
        return one.Length == other.Length && segments.TrueForAll(s => s.First == s.Second || IsParameter(s.First) || IsParameter(s.Second))
            && segments.Exists(s => IsParameter(s.First) && !IsParameter(s.Second)) && segments.Exists(s => !IsParameter(s.First) && IsParameter(s.Second));
    }

    private static bool IsParameter(string segment) => segment.StartsWith('{');
}
