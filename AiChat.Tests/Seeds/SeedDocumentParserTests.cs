namespace AiChat.Tests.Seeds;

/// <summary>What is found in the documents, so that nothing is run because nothing was seen.</summary>
[TestFixture]
public sealed class SeedDocumentParserTests
{
    private static readonly string[] Seed000 =
    [
        "POST /create_chat",
        "POST /add_message_to_chat/{chat_id}",
        "GET /get_chat/{chat_id}",
        "GET /list_chats",
        "DELETE /delete_chat/{chat_id}",
        "POST /add_message_to_chat/e64e850f-1294-4df7-aff7-14d130aca125",
    ];

    private static readonly string[] Seed001 =
    [
        "POST /conversations?user_id=user-123",
        "POST /conversations/{chat_id}/messages?role=user&content=Hello%2C%20how%20can%20I%20help%20you%20today%3F",
        "POST /conversations/{chat_id}/messages?role=assistant&content=Hello%2C%20how%20can%20I%20help%20you%20today%3F",
        "POST /conversations/{chat_id}/messages?role=tool&content=Hello%2C%20how%20can%20I%20help%20you%20today%3F",
        "POST /conversations/{chat_id}/messages?role=tool&content=Hello%2C%20how%20can%20I%20help%20you%20today%3F"
            + "&tool_calls=%7B%22name%22%3A%22string%22%7D",
        "GET /conversations/{chat_id}/messages",
        "GET /users/user-123/conversations",
        "POST /conversations?user_id=user-123",
        "POST /conversations/{chat_id}/messages?role=user&content=Hello%2C%20how%20can%20I%20help%20you%20today%3F",
        "POST /conversations/{chat_id}/messages?role=assistant&content=I%20can%20help%20you%20manage%20your%20tasks%20and%20answer%20questions.",
        "GET /conversations/{chat_id}/messages",
    ];

    private static readonly string[] Seed002 =
    [
        "POST /chats",
        "GET /chats?user_id=user123",
        "GET /chats/{chat_id}?user_id=user123",
        "GET /chats/{chat_id}/messages?user_id=user123",
        "PATCH /chats/{chat_id}?user_id=user123",
        "DELETE /chats/{chat_id}?user_id=user123",
        "POST /chat",
        "GET /",
        "GET /health",
        "GET /docs",
        "GET /redoc",
        "POST /chats",
        "POST /chat",
        "GET /chats?user_id=user123",
    ];

    private static readonly string[] Seed003 =
    [
        "GET /chats/",
        "GET /chats/{chat_id}",
        "POST /chats/create",
        "DELETE /chats/delete/{chat_id}",
        "PUT /chats/update/{chat_id}",
        "POST /conversations/create",
        "POST /conversations/create",
        "GET /conversations/inference/{chat_id}",
        "GET /conversations/inference_internet/{chat_id}",
    ];

    private static readonly string[] Seed004 =
    [
        "POST /conversation",
        "POST /conversation/completion/248f789b-28cd-4cea-8c33-a2621430f81b",
        "POST /conversation/completion/248f789b-28cd-4cea-8c33-a2621430f81b",
        "GET /conversation",
    ];

    public static IEnumerable<TestCaseData> Documents()
    {
        yield return new TestCaseData("000", Seed000).SetArgDisplayNames("000");
        yield return new TestCaseData("001", Seed001).SetArgDisplayNames("001");
        yield return new TestCaseData("002", Seed002).SetArgDisplayNames("002");
        yield return new TestCaseData("003", Seed003).SetArgDisplayNames("003");
        yield return new TestCaseData("004", Seed004).SetArgDisplayNames("004");
    }

    [TestCaseSource(nameof(Documents))]
    public void Load_Document_GivesEveryCallInItsOrder(string name, string[] calls)
    {
        var steps = SeedDocument.Load(name).Steps;

        Assert.That(steps.Select(s => $"{s.Command.Method} {s.Command.Target}"), Is.EqualTo(calls));
    }

    [TestCase("000", 5)]
    [TestCase("001", 11)]
    [TestCase("002", 8)]
    [TestCase("003", 7)]
    [TestCase("004", 3)]
    public void Load_Document_KnowsWhatItSaysOfTheAnswers(string name, int count) =>
        Assert.That(SeedDocument.Load(name).Steps.Count(s => s.Answer is not null), Is.EqualTo(count));

    [Test]
    public void Load_BodyOverSeveralLines_IsSentAsItIs()
    {
        var step = SeedDocument.Load("004").Steps[1];

        Assert.Multiple(() =>
        {
            Assert.That(step.Command.Data, Is.EqualTo("{\n  \"message\": \"What is the current day?\",\n  \"stream\": \"false\"\n}"));
            Assert.That(step.Command.Headers, Is.EqualTo(new[] { ("Content-Type", "application/json") }));
        });
    }

    [TestCase(6, """{"chat_id":"{chat_id}","role":"Human","message":"string"}""")]
    [TestCase(5, """{"chat_id":"{chat_id}","role":"Human","message":"string"}""")]
    [TestCase(4, """{"name":"string","updated_at":"2023-08-05T14:48:00.000Z"}""")]
    public void Load_DescribedBody_IsFilledIn(int step, string body)
    {
        var data = SeedDocument.Load("003").Steps[step].Command.Data;

        Assert.That(data, Is.EqualTo(step == 6 ? body.Replace("Human", "Assistant", StringComparison.Ordinal) : body));
    }

    [Test]
    public void Parse_NewCall_IsRunToo()
    {
        var document = SeedDocument.Parse("""
            ```bash
            curl -X POST "http://a:1/new" \
              -d '{}'
            ```
            And

            ```json
            {"id": 7, ...}
            ```
            """);

        Assert.Multiple(() =>
        {
            Assert.That(document.Steps.Single().Line, Is.EqualTo(2));
            Assert.That(document.Steps.Single().Request, Is.EqualTo("POST /new"));
            Assert.That(document.Steps.Single().Answer, Is.TypeOf<ObjectShape>());
        });
    }

    [TestCase("$ curl localhost:8000/new")]
    [TestCase("curl -F file=@a localhost:8000/new")]
    [TestCase("curl localhost:8000/new | jq .")]
    [TestCase("curl -d '{")]
    [TestCase("### OPTIONS: `/new`")]
    [TestCase("- `GET /new`")]
    [TestCase("- **URL**: /new")]
    [TestCase("```json\n{}\n```")]
    [TestCase("curl a/b\n```\n{\"id\": uuid}\n```")]
    [TestCase("```bash\ncurl a/b")]
    [TestCase("- **URL**: `/new`\n- **Authentication**: `Bearer`")]
    [TestCase("```python\nfrom a import b\nb(c)\n```")]
    [TestCase("### `f(session: Session, a: str) -> str`\n```python\nf(session, \"x\")\n```")]
    public void Parse_WhatCannotBeRun_IsRefused(string text) =>
        Assert.That(() => SeedDocument.Parse(text), Throws.TypeOf<FormatException>());
}
