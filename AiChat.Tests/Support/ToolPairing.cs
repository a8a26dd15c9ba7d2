using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Support;

/// <summary>The rules by which the real APIs refuse messages with calls of tools and results. Each answers with the first problem, null when there is none.</summary>
internal static partial class ToolPairing
{
    private const int LongestIdOfOpenAi = 40;

    /// <summary>OpenAI's: the results of a message's calls, each once, are the messages right behind it.</summary>
    public static string? FindProblemOfOpenAi(JsonElement request)
    {
        var open = new List<string>();
        var index = 0;
        foreach (var message in request.GetProperty("messages").EnumerateArray())
        {
            var isResult = message.Text("role") == "tool";
            if (isResult && !(message.TryGetProperty("tool_call_id", out var id) && open.Remove(id.GetString()!)))
                return $"Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'. (messages.[{index}].role)";
            if (!isResult && open.Count > 0)
                return MissingResults(open);
            if (FindProblemOfOpenAi(message, open) is { } problem)
                return $"messages.[{index}]: {problem}";
            index++;
        }

        return open.Count > 0 ? MissingResults(open) : null;
    }

    /// <summary>Anthropic's: all results of a message's calls are the first blocks of the message right behind it, and the tools are declared.</summary>
    public static string? FindProblemOfAnthropic(JsonElement request)
    {
        var declared = Items(request, "tools").ConvertAll(t => t.Text("name")!);
        if (declared.Distinct().Count() != declared.Count)
            return "tools: Tool names must be unique.";

        List<string> open = [];
        var ids = new HashSet<string>();
        var index = 0;
        foreach (var message in request.GetProperty("messages").EnumerateArray())
        {
            var blocks = Items(message, "content");
            var problem = FindProblemOfRole(message, blocks) ?? AnswerCalls(blocks, open) ?? FindProblemOfCalls(blocks, declared, ids, open);
            if (problem is not null)
                return $"messages.{index}: {problem}";
            index++;
        }

        return open.Count > 0 ? MissingBlocks(open) : null;
    }

    private static string? FindProblemOfOpenAi(JsonElement message, List<string> open)
    {
        var calls = Items(message, "tool_calls");
        var content = message.TryGetProperty("content", out var value) ? value.ValueKind : JsonValueKind.Undefined;
        if (content != JsonValueKind.String && (content != JsonValueKind.Null || calls.Count == 0))
            return "Invalid value for 'content': expected a string, got null.";
        foreach (var call in calls)
        {
            var function = call.GetProperty("function");
            if (message.Text("role") != "assistant" || call.Text("type") != "function")
                return "Invalid 'tool_calls'.";
            if (!Name().IsMatch(function.Text("name")!))
                return "Invalid 'tool_calls.function.name': string does not match pattern.";
            if (call.Text("id") is not { Length: > 0 and <= LongestIdOfOpenAi })
                return $"Invalid 'tool_calls.id': Expected a string with maximum length {LongestIdOfOpenAi}.";
            if (function.GetProperty("arguments").ValueKind != JsonValueKind.String)
                return "Invalid type for 'tool_calls.function.arguments': expected a string.";
            open.Add(call.Text("id")!);
        }

        return null;
    }

    private static string MissingResults(IEnumerable<string> open) =>
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        + $"The following tool_call_ids did not have response messages: {string.Join(", ", open)}";

    private static string MissingBlocks(IEnumerable<string> open) =>
        $"`tool_use` ids were found without `tool_result` blocks immediately after: {string.Join(", ", open)}. "
        + "Each `tool_use` block must have a corresponding `tool_result` block in the next message.";

    private static string? FindProblemOfRole(JsonElement message, List<JsonElement> blocks)
    {
        var role = message.Text("role");
        if (role is not ("user" or "assistant"))
            return $"Unexpected role \"{role}\".";
        if (blocks.Exists(b => b.Text("type") == (role == "user" ? "tool_use" : "tool_result")))
            return $"`{role}` messages cannot have such blocks.";
        return blocks.Exists(b => b.Text("type") == "text" && string.IsNullOrWhiteSpace(b.Text("text")))
            ? "text content blocks must contain non-whitespace text"
            : null;
    }

    /// <summary>Takes the results at the beginning off the calls that are open; one behind other blocks comes too late.</summary>
    private static string? AnswerCalls(List<JsonElement> blocks, List<string> open)
    {
        var results = blocks.TakeWhile(b => b.Text("type") == "tool_result").Select(b => b.Text("tool_use_id")!).ToList();
        if (results.Find(id => !open.Remove(id)) is { } unexpected)
            return $"unexpected `tool_use_id` found in `tool_result` blocks: {unexpected}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.";
        if (open.Count > 0)
            return MissingBlocks(open);
        return blocks.Skip(results.Count).Any(b => b.Text("type") == "tool_result") ? "`tool_result` blocks must come first." : null;
    }

    private static string? FindProblemOfCalls(List<JsonElement> blocks, List<string> declared, HashSet<string> ids, List<string> open)
    {
        if (declared.Count == 0 && blocks.Exists(b => b.Text("type") is "tool_use" or "tool_result"))
            return "Requests which include `tool_use` or `tool_result` blocks must define tools.";
        foreach (var call in blocks.Where(b => b.Text("type") == "tool_use"))
        {
            if (!Name().IsMatch(call.Text("name")!) || !declared.Contains(call.Text("name")!))
                return "tool_use.name: String should match pattern, and be declared";
            if (!Id().IsMatch(call.Text("id")!))
                return "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'";
            if (!ids.Add(call.Text("id")!))
                return "`tool_use` ids must be unique";
            if (call.GetProperty("input").ValueKind != JsonValueKind.Object)
                return "tool_use.input: Input should be a valid dictionary";
            open.Add(call.Text("id")!);
        }

        return null;
    }

    [GeneratedRegex(@"\A[a-zA-Z0-9_-]{1,64}\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"\A[a-zA-Z0-9_-]+\z")]
    private static partial Regex Id();

    private static List<JsonElement> Items(JsonElement value, string name) =>
        value.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array ? [.. items.EnumerateArray()] : [];
}
