using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>That the fakes refuse what the real APIs refuse, and nothing else.</summary>
public sealed class ToolPairingTests
{
    private const string User = """{"role":"user","content":"Time?"}""";
    private const string Answer = """{"role":"assistant","content":"Noon"}""";
    private const string Calls = """{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"a","arguments":"{}"}},{"id":"2","type":"function","function":{"name":"b","arguments":"{}"}}]}""";
    private const string First = """{"role":"tool","tool_call_id":"1","content":"x"}""";
    private const string Second = """{"role":"tool","tool_call_id":"2","content":"y"}""";

    private const string Uses = """{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"a","input":{}},{"type":"tool_use","id":"2","name":"b","input":{}}]}""";
    private const string Results = """{"type":"tool_result","tool_use_id":"2","content":"y"},{"type":"tool_result","tool_use_id":"1"}""";

    [TestCase(User)]
    [TestCase(User, Calls, Second, First)]
    [TestCase(User, Calls, First, Second, Answer, User)]
    [TestCase(User, Calls, First, Second, Calls, First, Second)]
    public void FindProblemOfOpenAi_Paired_IsNull(params string[] messages)
    {
        Assert.That(ToolPairing.FindProblemOfOpenAi(Request(messages)), Is.Null);
    }

    [TestCase("must be a response to a preceeding message", User, First)]
    [TestCase("must be a response to a preceeding message", User, Calls, First, First)]
    [TestCase("must be a response to a preceeding message", User, Calls, First, Second, User, First)]
    [TestCase("must be a response to a preceeding message", User, Calls, """{"role":"tool","content":"x"}""")]
    [TestCase("did not have response messages: 1, 2", User, Calls)]
    [TestCase("did not have response messages: 2", User, Calls, First, User, Second)]
    [TestCase("expected a string, got null", """{"role":"user","content":null}""")]
    [TestCase("'tool_calls.function.arguments'", """{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"a","arguments":{}}}]}""")]
    [TestCase("Invalid 'tool_calls'", """{"role":"user","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"a","arguments":"{}"}}]}""")]
    [TestCase("'tool_calls.function.name'", """{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"a b","arguments":"{}"}}]}""")]
    [TestCase("maximum length 40", """{"role":"assistant","content":null,"tool_calls":[{"id":"12345678901234567890123456789012345678901","type":"function","function":{"name":"a","arguments":"{}"}}]}""")]
    public void FindProblemOfOpenAi_NotPaired_TellsIt(string problem, params string[] messages)
    {
        Assert.That(ToolPairing.FindProblemOfOpenAi(Request(messages)), Does.Contain(problem));
    }

    [TestCase(User, Answer, User)]
    [TestCase(User, Uses, $$"""{"role":"user","content":[{{Results}}]}""")]
    [TestCase(User, Uses, $$"""{"role":"user","content":[{{Results}},{"type":"text","text":"So?"}]}""", Answer)]
    public void FindProblemOfAnthropic_Paired_IsNull(params string[] messages)
    {
        Assert.That(ToolPairing.FindProblemOfAnthropic(Request(messages, "a", "b")), Is.Null);
    }

    [TestCase("unexpected `tool_use_id`", User, Answer, $$"""{"role":"user","content":[{{Results}}]}""")]
    [TestCase("immediately after: 1, 2", User, Uses)]
    [TestCase("immediately after: 1, 2", User, Uses, User)]
    [TestCase("immediately after: 1", User, Uses, """{"role":"user","content":[{"type":"tool_result","tool_use_id":"2"}]}""", """{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}""")]
    [TestCase("immediately after: 1, 2", User, Uses, $$"""{"role":"user","content":[{"type":"text","text":"So?"},{{Results}}]}""")]
    [TestCase("ids must be unique", User, Uses, $$"""{"role":"user","content":[{{Results}}]}""", Uses)]
    [TestCase("non-whitespace", """{"role":"user","content":[{"type":"text","text":" "}]}""")]
    [TestCase("Unexpected role", User, First)]
    [TestCase("cannot have such blocks", $$"""{"role":"assistant","content":[{{Results}}]}""")]
    [TestCase("tool_use.name", """{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"c","input":{}}]}""")]
    [TestCase("tool_use.id", """{"role":"assistant","content":[{"type":"tool_use","id":"1.2","name":"a","input":{}}]}""")]
    [TestCase("valid dictionary", """{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"a","input":"{}"}]}""")]
    public void FindProblemOfAnthropic_NotPaired_TellsIt(string problem, params string[] messages)
    {
        Assert.That(ToolPairing.FindProblemOfAnthropic(Request(messages, "a", "b")), Does.Contain(problem));
    }

    [Test]
    public void FindProblemOfAnthropic_ToolsDeclaredNotOrTwice_TellsIt()
    {
        Assert.That(ToolPairing.FindProblemOfAnthropic(Request([User, Uses])), Does.Contain("must define tools"));
        Assert.That(ToolPairing.FindProblemOfAnthropic(Request([User], "a", "a")), Does.Contain("must be unique"));
    }

    private static JsonElement Request(string[] messages, params string[] tools) => JsonElement.Parse(
        $$"""{"messages":[{{string.Join(',', messages)}}],"tools":[{{string.Join(',', tools.Select(t => $$"""{"name":"{{t}}"}"""))}}]}""");
}
