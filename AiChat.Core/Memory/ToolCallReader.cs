using System.Text.Json;

namespace AiChat.Core.Memory;

/// <summary>
/// Understands what clients write into <c>tool_calls</c>: OpenAI's calls and those of the usual frameworks. What it does not understand
/// says nothing; nothing is thrown, whatever the text is.
/// </summary>
internal static class ToolCallReader
{
    /// <summary>Most calls one message makes; further ones say nothing.</summary>
    public const int MostCalls = 128;

    private const int LongestName = 64;

    /// <summary>What arguments are called that are no object.</summary>
    private const string OnlyArgument = "arguments";

    private static readonly string[] IdNames = ["tool_call_id", "call_id", "id"];
    private static readonly string[] ToolNames = ["name", "tool_name", "tool"];
    private static readonly string[] ArgumentNames = ["arguments", "args", "parameters", "input"];

    /// <summary>Far less than what the writers of requests take.</summary>
    private static readonly JsonDocumentOptions Limits = new() { MaxDepth = 32 };

    /// <summary>The calls an assistant's message makes; each has a name.</summary>
    public static IReadOnlyList<ToolCall> ReadCalls(string? json)
    {
        if (Parse(json) is not { } root)
            return [];
        var calls = Unwrap(root);
        return calls.ValueKind == JsonValueKind.Array
            ? [.. calls.EnumerateArray().Select(ReadCall).OfType<ToolCall>().Where(c => c.Name is not null).Take(MostCalls)]
            : ReadCall(calls) is { Name: not null } only ? [only] : [];
    }

    /// <summary>What a tool's message tells of the call it answers: its id, its name or both; null when neither.</summary>
    public static ToolCall? ReadAnswered(string? json)
    {
        if (Parse(json) is not { } root)
            return null;
        var call = Unwrap(root);
        if (call.ValueKind == JsonValueKind.Array && call.GetArrayLength() == 1)
            call = call[0];
        if (call.ValueKind == JsonValueKind.String)
            return call.GetString() is { } id && !string.IsNullOrWhiteSpace(id) ? new ToolCall { Id = id } : null;
        return ReadCall(call);
    }

    private static JsonElement Unwrap(JsonElement root) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty("tool_calls", out var calls) ? calls : root;

    private static ToolCall? ReadCall(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            return null;
        // OpenAI's has name and arguments one level deeper.
        var function = element.TryGetProperty("function", out var inner) && inner.ValueKind == JsonValueKind.Object ? inner : element;
        var id = FindText(element, IdNames);
        var name = FindText(function, ToolNames);
        if (id is null && name is null)
            return null;
        return new ToolCall { Id = id, Name = name is null ? null : CleanName(name), Arguments = ReadArguments(function) };
    }

    private static string? FindText(JsonElement element, string[] names)
    {
        foreach (var name in names)
        {
            if (!element.TryGetProperty(name, out var value))
                continue;
            var text = value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Number => value.GetRawText(),
                _ => null,
            };
            if (!string.IsNullOrWhiteSpace(text))
                return text;
        }

        return null;
    }

    private static string CleanName(string name) =>
        string.Concat(name.Trim().Take(LongestName).Select(c => ToolCallIds.IsAllowed(c) ? c : '_'));

    private static Dictionary<string, object?> ReadArguments(JsonElement element)
    {
        foreach (var name in ArgumentNames)
        {
            if (!element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
                continue;
            var arguments = value;
            if (value.ValueKind == JsonValueKind.String)
            {
                if (string.IsNullOrWhiteSpace(value.GetString()))
                    return [];
                arguments = Parse(value.GetString()) ?? value;
            }

            return ToArguments(arguments);
        }

        return [];
    }

    private static Dictionary<string, object?> ToArguments(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            return new Dictionary<string, object?> { [OnlyArgument] = value };

        var arguments = new Dictionary<string, object?>();
        foreach (var argument in value.EnumerateObject())
            arguments[argument.Name] = argument.Value;
        return arguments;
    }

    /// <summary>Null for what is no JSON, is nested too deeply, or holds a text that is none.</summary>
    private static JsonElement? Parse(string? json)
    {
        if (string.IsNullOrWhiteSpace(json))
            return null;
        try
        {
            using var document = JsonDocument.Parse(json, Limits);
            var root = document.RootElement.Clone();
            RequireText(root);
            return root;
        }
        // The second is for half a surrogate pair in an escape, which the parser lets pass and a request must not have.
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    private static void RequireText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    RequireText(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    RequireText(item);
                break;
            case JsonValueKind.String:
                _ = element.GetString();
                break;
        }
    }
}
