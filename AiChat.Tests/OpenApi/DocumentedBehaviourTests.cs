using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace AiChat.Tests.OpenApi;

/// <summary>The document against the server that serves it: what it says must be what happens.</summary>
[TestFixture]
public sealed class DocumentedBehaviourTests
{
    /// <summary>The server has no search engine.</summary>
    private const string WebInference = "inferConversationWithInternet";

    private DocumentedServer server = null!;
    private DocumentedApi api = null!;

    private string ExampleUser => GetExample("user_id");

    private string ExampleChat => GetExample("id");

    [OneTimeSetUp]
    public async Task StartServer()
    {
        server = await DocumentedServer.StartAsync();
        api = new DocumentedApi(await server.Client.GetStringAsync(DocumentedServer.DocumentPath));
    }

    [OneTimeTearDown]
    public async Task StopServer() => await server.DisposeAsync();

    [Test]
    public async Task Examples_SentToTheServer_AreAnsweredAsDocumented()
    {
        var problems = new List<string>();

        foreach (var operation in api.Operations)
        {
            foreach (var body in GetRequestBodies(operation))
                problems.AddRange(await SendAsync(operation, body, await CreateTargetAsync(operation), operation.Id == WebInference ? "503" : "2"));
        }

        Assert.That(problems, Is.Empty);
    }

    [Test]
    public async Task Examples_SentToAChatThatIsNotThere_AreAnsweredAsDocumented()
    {
        var problems = new List<string>();

        foreach (var operation in api.Operations.Where(o => o.Path.Contains("{id}", StringComparison.Ordinal)))
        {
            foreach (var body in GetRequestBodies(operation))
                problems.AddRange(await SendAsync(operation, body, Guid.NewGuid().ToString(), "404"));
        }

        Assert.That(problems, Is.Empty);
    }

    [Test]
    public async Task Limits_OfBodyFields_AreThoseOfTheServer()
    {
        var problems = new List<string>();

        foreach (var operation in api.Operations.Where(o => o.Json["requestBody"] is not null))
        {
            var body = GetRequestBodies(operation)[0]!.AsObject();
            var schema = api.Resolve(operation.Json["requestBody"]!["content"]!["application/json"]!["schema"]!);
            foreach (var (field, rules) in schema["properties"]!.AsObject())
            {
                foreach (var limit in GetLimits(rules!.AsObject()))
                {
                    var changed = body.DeepClone();
                    changed[field] = limit.Value.DeepClone();
                    using var answer = await server.Client.SendAsync(ToRequest(operation, await CreateChatAsync(), changed));
                    problems.AddRange(await CompareAsync(answer, $"{operation.Name} {field} {limit.Name}", field, limit.IsAllowed));
                }
            }
        }

        Assert.That(problems, Is.Empty);
    }

    [Test]
    public async Task Limits_OfParameters_AreThoseOfTheServer()
    {
        var problems = new List<string>();

        foreach (var operation in api.Operations)
        {
            foreach (var parameter in operation.Parameters.Where(p => (string?)p["in"] == "query" && (string?)p["name"] != "cursor"))
            {
                var name = (string)parameter["name"]!;
                foreach (var limit in GetLimits(parameter["schema"]!.AsObject()))
                {
                    using var request = ToRequest(operation, await CreateChatAsync(), GetRequestBodies(operation)[0]);
                    request.RequestUri = new Uri($"{request.RequestUri!.ToString().Split('?')[0]}?{name}={limit.Value}", UriKind.Relative);
                    using var answer = await server.Client.SendAsync(request);
                    problems.AddRange(await CompareAsync(answer, $"{operation.Name} {name} {limit.Name}", name, limit.IsAllowed));
                }
            }
        }

        Assert.That(problems, Is.Empty);
    }

    private string GetExample(string parameter) =>
        (string)api.Operations.Single(o => o.Id == "getChat").Parameters.Single(p => (string?)p["name"] == parameter)["example"]!;

    /// <summary>Something the operation's id can be: a chat, one with a message to answer, or a run that can be tried again.</summary>
    private async Task<string> CreateTargetAsync(DocumentedOperation operation)
    {
        if (operation.Path.StartsWith("/runs", StringComparison.Ordinal))
            return await CreateCancelledRunAsync();
        var chatId = await CreateChatAsync();
        if (operation.Path.Contains("/inference", StringComparison.Ordinal))
            await StoreMessageAsync(chatId);
        return chatId;
    }

    private async Task StoreMessageAsync(string chatId)
    {
        var message = new { chat_id = chatId, role = "Human", message = "Hello" };
        using var answer = await server.Client.PostAsJsonAsync($"/conversations/create?user_id={ExampleUser}", message);
        answer.EnsureSuccessStatusCode();
    }

    private async Task<string> CreateChatAsync()
    {
        using var answer = await server.Client.PostAsJsonAsync("/chats", new { user_id = ExampleUser });
        return (string)(await answer.Content.ReadFromJsonAsync<JsonNode>())!["id"]!;
    }

    private async Task<string> CreateCancelledRunAsync()
    {
        var chatId = await CreateChatAsync();
        using var first = await BeginStreamAsync(chatId, "#delay 60000");
        using var second = await BeginStreamAsync(chatId, "#say I had to wait.");
        var messages = await server.Client.GetFromJsonAsync<JsonArray>($"/chats/{chatId}/messages?user_id={ExampleUser}");
        var (running, queued) = ((string)messages![1]!["run_id"]!, (string)messages[3]!["run_id"]!);
        foreach (var runId in new[] { queued, running })
            (await server.Client.PostAsync($"/runs/{runId}/cancel?user_id={ExampleUser}", null)).EnsureSuccessStatusCode().Dispose();
        return queued;
    }

    private async Task<HttpResponseMessage> BeginStreamAsync(string chatId, string message)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/chat")
        {
            Content = JsonContent.Create(new { user_id = ExampleUser, chat_id = chatId, message, stream = true }),
        };
        return await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>What is wrong with the answer; nothing when it has a status that starts so, is documented, and fits its schema.</summary>
    private async Task<List<string>> SendAsync(DocumentedOperation operation, JsonNode? body, string chatId, string status)
    {
        using var answer = await server.Client.SendAsync(ToRequest(operation, chatId, body));
        var actual = ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
        var text = await answer.Content.ReadAsStringAsync();
        if (!actual.StartsWith(status, StringComparison.Ordinal) || operation.Responses[actual] is not { } documented)
            return [$"{operation.Name} answered {actual}: {text}"];

        var content = documented["content"]?[answer.Content.Headers.ContentType?.MediaType ?? ""];
        if (content is null)
            return text.Length == 0 ? [] : [$"{operation.Name} {actual} answered {answer.Content.Headers.ContentType}: {text}"];
        var check = new SchemaCheck(api);
        var problems = ReadJson(answer, text, content["schema"]!).SelectMany(json => check.FindProblems(json, content["schema"]!));
        return [.. problems.Select(p => $"{operation.Name} {actual}: {p}")];
    }

    /// <summary>The body, or the data of every event in it; a text that is no JSON is one text.</summary>
    private static IEnumerable<JsonNode?> ReadJson(HttpResponseMessage answer, string text, JsonNode schema) => (string?)schema["type"] == "string"
        ? [JsonValue.Create(text)]
        : answer.Content.Headers.ContentType?.MediaType == "text/event-stream"
            ? text.Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal)).Select(l => JsonNode.Parse(l["data: ".Length..]))
            : [JsonNode.Parse(text)];

    private HttpRequestMessage ToRequest(DocumentedOperation operation, string chatId, JsonNode? body)
    {
        var path = operation.Path.Replace("{id}", chatId, StringComparison.Ordinal);
        var query = operation.Parameters.Any(p => (string?)p["name"] == "user_id") ? $"?user_id={ExampleUser}" : "";
        var request = new HttpRequestMessage(new HttpMethod(operation.Method), new Uri(path + query, UriKind.Relative));
        if (body is not null)
        {
            var json = body.ToJsonString().Replace(ExampleChat, chatId, StringComparison.Ordinal);
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        return request;
    }

    /// <summary>The example bodies; one null for an operation without a body.</summary>
    private static List<JsonNode?> GetRequestBodies(DocumentedOperation operation) =>
        operation.Json["requestBody"]?["content"]!["application/json"]!["examples"]!.AsObject().Select(e => e.Value!["value"]).ToList()
        ?? [null];

    private static async Task<List<string>> CompareAsync(HttpResponseMessage answer, string name, string field, bool isAllowed)
    {
        var text = await answer.Content.ReadAsStringAsync();
        var isRefused = (int)answer.StatusCode == 422 && IsAbout(JsonNode.Parse(text)!, field);
        return isRefused == isAllowed ? [$"{name} was answered {(int)answer.StatusCode}: {text}"] : [];
    }

    /// <summary>Whether an error, a problem of ours or one of a dialect, says that this field is not valid.</summary>
    private static bool IsAbout(JsonNode error, string field) => error["detail"] is JsonArray fields
        ? fields.Any(f => (string?)f!["type"] == "value_error" && (string?)f["loc"]![1] == field)
        : (string?)error["code"] == "validation_failed" && error["errors"]![field] is not null;

    /// <summary>The values on both sides of every limit.</summary>
    private static IEnumerable<Limit> GetLimits(JsonObject rules)
    {
        if (rules["maxLength"]?.GetValue<int>() is { } longest)
        {
            yield return new Limit("longest", new string('x', longest), IsAllowed: true);
            yield return new Limit("too long", new string('x', longest + 1), IsAllowed: false);
        }

        if (rules["minLength"] is not null)
            yield return new Limit("empty", "", IsAllowed: false);
        if (rules["minimum"]?.GetValue<decimal>() is { } least)
        {
            yield return new Limit("least", least, IsAllowed: true);
            yield return new Limit("too little", least - 1, IsAllowed: false);
        }

        if (rules["maximum"]?.GetValue<decimal>() is { } most)
        {
            yield return new Limit("most", most, IsAllowed: true);
            yield return new Limit("too much", most + 1, IsAllowed: false);
        }
    }

    private sealed record Limit(string Name, JsonNode Value, bool IsAllowed);
}
