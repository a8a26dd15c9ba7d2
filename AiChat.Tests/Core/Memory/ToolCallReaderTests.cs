using System.Text.Json;
using AiChat.Core.Memory;
using FsCheck;
using FsCheck.Fluent;

namespace AiChat.Tests.Core.Memory;

public sealed class ToolCallReaderTests
{
    [TestCase("""[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]""")]
    [TestCase("""[{"id":"call_1","type":"function","function":{"name":"weather","arguments":{"city":"Rome"}}}]""")]
    [TestCase("""{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}""")]
    [TestCase("""{"tool_calls":[{"id":"call_1","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]}""")]
    [TestCase("""{"tool_calls":{"id":"call_1","name":"weather","arguments":{"city":"Rome"}}}""")]
    [TestCase("""[{"id":"call_1","name":"weather","arguments":{"city":"Rome"}}]""")]
    [TestCase("""{"call_id":"call_1","tool":"weather","args":{"city":"Rome"}}""")]
    [TestCase("""{"tool_call_id":"call_1","tool_name":"weather","parameters":{"city":"Rome"}}""")]
    [TestCase("""{"type":"tool_use","id":"call_1","name":"weather","input":{"city":"Rome"}}""")]
    [TestCase("""{"type":"function_call","id":"fc_9","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Rome\"}"}""")]
    public void ReadCalls_AnyUsualShape_IsThatCall(string json)
    {
        var calls = ToolCallReader.ReadCalls(json);

        Assert.That(calls.Select(Show), Is.EqualTo(new[] { """call_1 weather {"city":"Rome"}""" }));
    }

    [Test]
    public void ReadCalls_SeveralAndOtherThings_AreTheCallsInOrder()
    {
        var calls = ToolCallReader.ReadCalls("""[{"id":"a","name":"one"}, 7, null, "b", {"id":"c"}, [{"name":"four"}], {"name":"five","id":5}]""");

        Assert.That(calls.Select(Show), Is.EqualTo(new[] { "a one {}", "5 five {}" }));
    }

    [Test]
    public void ReadCalls_VeryMany_AreTheFirst()
    {
        var calls = ToolCallReader.ReadCalls($"[7,{string.Join(',', Enumerable.Range(0, 200).Select(i => $$"""{"name":"n{{i}}"}"""))}]");

        Assert.That(calls.Select(c => c.Name), Is.EqualTo(Enumerable.Range(0, 128).Select(i => $"n{i}")));
    }

    [TestCase(null)]
    [TestCase("")]
    [TestCase("null")]
    [TestCase("7")]
    [TestCase("\"weather\"")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("""{"tool_calls":null}""")]
    [TestCase("""{"tool_calls":[[]]}""")]
    [TestCase("""{"id":"call_1"}""")]
    [TestCase("""{"name":{"deep":1},"id":[]}""")]
    [TestCase("""{"name":"  "}""")]
    [TestCase("""{"function":"weather"}""")]
    [TestCase("""{"name":"half a character","arguments":{"x":"\ud800"}}""")]
    [TestCase("""{"\udc00":1,"name":"half a character"}""")]
    [TestCase("{\"name\":")]
    [TestCase("weather()")]
    public void ReadCalls_NoCall_IsEmpty(string? json)
    {
        var calls = ToolCallReader.ReadCalls(json);

        Assert.That(calls, Is.Empty);
    }

    [TestCase("weather", "weather")]
    [TestCase(" my.tool/v1 é ", "my_tool_v1__")]
    [TestCase("😀", "__")]
    public void ReadCalls_Name_IsOneThatModelsTake(string name, string expected)
    {
        var calls = ToolCallReader.ReadCalls(JsonSerializer.Serialize(new { name }));

        Assert.That(calls.Single().Name, Is.EqualTo(expected));
    }

    [Test]
    public void ReadCalls_LongName_IsCut()
    {
        var calls = ToolCallReader.ReadCalls(JsonSerializer.Serialize(new { name = new string('a', 65) }));

        Assert.That(calls.Single().Name, Is.EqualTo(new string('a', 64)));
    }

    [TestCase("null", "{}")]
    [TestCase("\"\"", "{}")]
    [TestCase("\" \"", "{}")]
    [TestCase("\"null\"", """{"arguments":null}""")]
    [TestCase("\"Rome\"", """{"arguments":"Rome"}""")]
    [TestCase("\"[1,2]\"", """{"arguments":[1,2]}""")]
    [TestCase("[1,2]", """{"arguments":[1,2]}""")]
    [TestCase("7", """{"arguments":7}""")]
    [TestCase("""{"a":1,"a":2}""", """{"a":2}""")]
    public void ReadCalls_OddArguments_AreStillAnObject(string arguments, string expected)
    {
        var calls = ToolCallReader.ReadCalls($$"""{"name":"weather","arguments":{{arguments}}}""");

        Assert.That(JsonSerializer.Serialize(calls.Single().Arguments), Is.EqualTo(expected));
    }

    [Test]
    public void ReadCalls_ArgumentsNestedTooDeeplyForAModel_AreNoCall()
    {
        var deep = new string('[', 40) + new string(']', 40);

        var calls = ToolCallReader.ReadCalls($$"""{"name":"weather","arguments":{{deep}}}""");

        Assert.That(calls, Is.Empty);
    }

    [TestCase("""{"tool_call_id":"call_1"}""", "call_1  {}")]
    [TestCase("""{"id":"call_1"}""", "call_1  {}")]
    [TestCase("""{"id":"msg_1","tool_call_id":"call_1"}""", "call_1  {}")]
    [TestCase("\"call_1\"", "call_1  {}")]
    [TestCase("""["call_1"]""", "call_1  {}")]
    [TestCase("""[{"tool_call_id":"call_1"}]""", "call_1  {}")]
    [TestCase("""{"tool_calls":[{"id":"call_1","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]}""", """call_1 weather {"city":"Rome"}""")]
    [TestCase("""{"tool":"weather","args":{"city":"Rome"}}""", """ weather {"city":"Rome"}""")]
    public void ReadAnswered_AnyUsualShape_IsWhatIsKnownOfTheCall(string json, string expected)
    {
        var call = ToolCallReader.ReadAnswered(json);

        Assert.That(Show(call!), Is.EqualTo(expected));
    }

    [TestCase(null)]
    [TestCase("7")]
    [TestCase("\" \"")]
    [TestCase("[]")]
    [TestCase("""["a","b"]""")]
    [TestCase("{}")]
    [TestCase("{")]
    [TestCase("\"\\ud800\"")]
    [TestCase("""{"result":"sunny"}""")]
    public void ReadAnswered_NothingOfACall_IsNull(string? json)
    {
        var call = ToolCallReader.ReadAnswered(json);

        Assert.That(call, Is.Null);
    }

    [Test]
    public void Read_AnyText_ThrowsNothing()
    {
        var pieces = Gen.Elements(
            "{", "}", "[", "]", ",", ":", "\"id\"", "\"name\"", "\"function\"", "\"tool_calls\"", "\"arguments\"", "\"\\ud800\"", "\"{\"", "1e999", "null", "x");
        var texts = Gen.ArrayOf(pieces).Select(string.Concat);

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Arb.From(texts), text =>
        {
            Assert.That(() => ToolCallReader.ReadCalls(text), Throws.Nothing);
            Assert.That(() => ToolCallReader.ReadAnswered(text), Throws.Nothing);
        }));
    }

    private static string Show(ToolCall call) => $"{call.Id} {call.Name} {JsonSerializer.Serialize(call.Arguments)}";
}
