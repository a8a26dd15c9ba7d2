using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Support;

/// <summary>Prompts with calls of tools and results.</summary>
internal static class ToolPrompts
{
    /// <summary>Two calls beside a text, their results in one message, and system messages on both sides.</summary>
    public static ChatMessage[] TwoCalls() =>
    [
        new(ChatRole.System, "Be brief."),
        new(ChatRole.User, "Rome or Bern?"),
        new(ChatRole.Assistant,
        [
            new TextContent("I look it up."),
            new FunctionCallContent("call_1", "get_weather", Parse("""{"city":"Rome","days":[1,2.50]}""")),
            new FunctionCallContent("call_2", "get_weather"),
        ]),
        new(ChatRole.Tool, [new FunctionResultContent("call_1", """{"sun":true}"""), new FunctionResultContent("call_2", "")]),
        new(ChatRole.System, "Be kind."),
        new(ChatRole.User, "So?"),
    ];

    public static ChatMessage[] EndingWithResult() => [new(ChatRole.User, "Time?"), Call("{}"), Result()];

    public static ChatMessage[] WithArguments(string json) => [new(ChatRole.User, "Time?"), Call(json), Result()];

    /// <summary>Against the rules of the APIs.</summary>
    public static ChatMessage[] ResultAlone() => [new(ChatRole.User, "Time?"), new(ChatRole.Assistant, "Wait."), Result()];

    /// <inheritdoc cref="ResultAlone"/>
    public static ChatMessage[] CallAlone() => [new(ChatRole.User, "Time?"), Call("{}"), new(ChatRole.User, "So?")];

    private static ChatMessage Call(string arguments) => new(ChatRole.Assistant, [new FunctionCallContent("call_1", "clock", Parse(arguments))]);

    private static ChatMessage Result() => new(ChatRole.Tool, [new FunctionResultContent("call_1", "Noon")]);

    private static Dictionary<string, object?> Parse(string json) =>
        JsonElement.Parse(json).EnumerateObject().ToDictionary(p => p.Name, object? (p) => p.Value);
}
