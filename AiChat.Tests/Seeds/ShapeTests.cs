using System.Text.Json;

namespace AiChat.Tests.Seeds;

[TestFixture]
public sealed class ShapeTests
{
    private const string Example = """
        [
          {
            "id": "248f789b-28cd-4cea-8c33-a2621430f81b",
            "author": "assistant",
            "content": ".....",
            "created_at": "2023-12-04T17:34:35.639000"
          },
          ...
        ]
        """;

    private const string Item =
        """{"id":"01a2b3c4-0000-7000-8000-000000000000","author":"assistant","content":"Hi","created_at":"2026-11-21T10:00:00.000Z"}""";

    [TestCase($"[{Item}]")]
    [TestCase($"[{Item},{Item}]")]
    public void Check_WhatTheExampleShows_HasNoProblems(string json) => Assert.That(Check(Example, json).Problems, Is.Empty);

    [TestCase("\"id\"", "\"other\"", "$[0].id is missing")]
    [TestCase("01a2b3c4-", "01a2b3c4", "expected a UUID")]
    [TestCase("\"assistant\"", "\"Assistant\"", "expected assistant")]
    [TestCase("\"Hi\"", "\"\"", "expected a text")]
    [TestCase("\"Hi\"", "7", "expected a text")]
    [TestCase("10:00:00.000Z", "10:00:00.000+01:00", "expected an instant")]
    [TestCase("\"2026-11-21T10:00:00.000Z\"", "1795255200", "expected an instant")]
    public void Check_WhatDiffers_IsAProblem(string old, string changed, string problem)
    {
        var report = Check(Example, $"[{Item.Replace(old, changed, StringComparison.Ordinal)}]");

        Assert.That(report.Problems, Has.Exactly(1).Contains(problem));
    }

    [TestCase("[]", "$ has 0 items, the document shows 1")]
    [TestCase(Item, "expected a list")]
    [TestCase("[7]", "expected an object")]
    public void Check_AnotherTypeOrTooFew_IsAProblem(string json, string problem) =>
        Assert.That(Check(Example, json).Problems, Has.Exactly(1).Contains(problem));

    [Test]
    public void Check_FieldsInAnotherOrder_IsAProblem() =>
        Assert.That(Check("""{"a": "x", "b": 1}""", """{"b":2,"a":"y"}""").Problems, Has.Exactly(1).Contains("in the order b, a, expected a, b"));

    [Test]
    public void Check_FurtherFields_AreNamed()
    {
        var report = Check("""{"a": "x", "b": 1}""", """{"z":0,"a":"y","d":0,"b":2}""");

        Assert.Multiple(() =>
        {
            Assert.That(report.Problems, Is.Empty);
            Assert.That(report.Extras, Is.EqualTo(new[] { "d", "z" }));
        });
    }

    [Test]
    public void Check_ExamplesThatDiffer_AreTakenInTurn()
    {
        const string turns = """[{"role": "user"}, {"role": "assistant"}]""";

        var whole = Check(turns, """[{"role":"user"},{"role":"assistant"},{"role":"user"},{"role":"assistant"}]""");
        var twice = Check(turns, """[{"role":"user"},{"role":"assistant"},{"role":"assistant"}]""");

        Assert.Multiple(() =>
        {
            Assert.That(whole.Problems, Is.Empty);
            Assert.That(twice.Problems, Has.Exactly(1).Contains("$[2].role"));
        });
    }

    [Test]
    public void Check_EmptyList_StaysEmpty() =>
        Assert.That(Check("""{"messages": []}""", """{"messages":[1]}""").Problems, Has.Exactly(1).Contains("1 items, the document shows 0"));

    [Test]
    public void Check_TextThatWasSent_ComesBack()
    {
        var shape = ExampleReader.ToShape(ExampleReader.Parse("""{"content": "What day?"}"""), new HashSet<string> { "What day?" });

        Assert.That(shape.Check(JsonElement.Parse("""{"content":"Another"}""")).Problems, Has.Exactly(1).Contains("expected What day?"));
    }

    [TestCase("- `id`: UUID (Primary Key) - Unique", """{"id":"7"}""", "expected a UUID")]
    [TestCase("- `created_at`: The date and time", """{"created_at":"7"}""", "expected an instant")]
    [TestCase("- `role`: Enum (user, tool) - The sender", """{"role":"system"}""", "expected user or tool")]
    [TestCase("- `role`: It can be either \"Human\" or \"Assistant\".", """{"role":"user"}""", "expected Human or Assistant")]
    [TestCase("- `name`: The name of the chat.", """{"name":null}""", "expected a text")]
    [TestCase("  - `title`: Optional chat title", """{"title":7}""", "expected a text")]
    public void ReadFields_Description_GivesTheType(string line, string json, string problem)
    {
        var shape = new ObjectShape([.. SeedModel.ReadFields(line)], IsOrdered: false);

        Assert.That(shape.Check(JsonElement.Parse(json)).Problems, Has.Exactly(1).Contains(problem));
    }

    [TestCase("  - `title`: Optional chat title", """{"title":null}""")]
    [TestCase("- `tool_calls`: JSON (Optional) - Calls", """{"tool_calls":[7]}""")]
    [TestCase("  - `created_at`, `updated_at`: Timestamps", """{"updated_at":"2026-11-21T10:00:00Z","created_at":"2026-11-21T10:00:00Z"}""")]
    public void ReadFields_Description_AcceptsWhatItNames(string line, string json)
    {
        var shape = new ObjectShape([.. SeedModel.ReadFields(line)], IsOrdered: false);

        Assert.That(shape.Check(JsonElement.Parse(json)).Problems, Is.Empty);
    }

    [Test]
    public void Parse_BlockThatIsNoJson_IsRefused() =>
        Assert.That(() => ExampleReader.Parse("""{"id": uuid}"""), Throws.TypeOf<FormatException>().With.Message.Contains("uuid"));

    private static ShapeReport Check(string example, string json) =>
        ExampleReader.ToShape(ExampleReader.Parse(example), new HashSet<string>()).Check(JsonElement.Parse(json));
}
