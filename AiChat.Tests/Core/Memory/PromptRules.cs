using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Memory;

/// <summary>
/// What models refuse, taken together: OpenAI, Anthropic and the servers of open models each check another part of it. Where a message of
/// the system stands matters to none of them.
/// </summary>
internal static partial class PromptRules
{
    /// <summary>A prompt whose system prompt is its first message.</summary>
    public static void AssertTakenByEveryModel(IReadOnlyList<ChatMessage> prompt, string question)
    {
        var turns = prompt.Where(m => m.Role != ChatRole.System).ToList();
        var calls = prompt.SelectMany(m => m.Contents).OfType<FunctionCallContent>().ToList();
        Assert.Multiple(() =>
        {
            Assert.That(prompt[0].Role, Is.EqualTo(ChatRole.System));
            Assert.That(turns[0].Role, Is.EqualTo(ChatRole.User), "first turn");
            Assert.That(turns[^1].Role, Is.EqualTo(ChatRole.User).Or.EqualTo(ChatRole.Tool), "last turn");
            Assert.That(turns.Last(m => m.Role == ChatRole.User).Text, Is.EqualTo(question), "the newest of the user's messages");
            Assert.That(turns.Zip(turns.Skip(1)).Where(pair => !MayFollow(pair.First, pair.Second)), Is.Empty, "order of roles");
            Assert.That(prompt.Where(m => m.Role != ChatRole.Tool && IsBlank(m)), Is.Empty, "messages that say nothing");
            Assert.That(prompt.SelectMany(m => m.Contents).OfType<TextContent>().Where(c => string.IsNullOrWhiteSpace(c.Text)), Is.Empty, "blank texts");
            Assert.That(prompt.Where(m => !HasContentsOfItsRole(m)), Is.Empty, "contents of another role");
            Assert.That(calls.Select(c => c.CallId), Is.Unique, "ids");
            Assert.That(calls.Select(c => c.CallId).Where(id => !Id().IsMatch(id)), Is.Empty, "ids that are refused");
            Assert.That(calls.Select(c => c.Name).Where(name => !Name().IsMatch(name)), Is.Empty, "names that are refused");
            Assert.That(calls.Select(c => JsonSerializer.Serialize(c.Arguments)), Is.All.StartsWith("{"), "arguments that are no object");
        });
        AssertPaired(prompt);
    }

    public static void AssertNothingContains(IReadOnlyList<ChatMessage> prompt, string text) =>
        Assert.That(prompt.Where(m => m.Text.Contains(text, StringComparison.Ordinal)), Is.Empty);

    /// <summary>The results of a message's calls are the very next messages, one for each call, and there are no others.</summary>
    private static void AssertPaired(IReadOnlyList<ChatMessage> prompt)
    {
        var expected = new List<string>();
        var actual = new List<string>();
        for (var i = 0; i < prompt.Count; i++)
        {
            var called = prompt[i].Contents.OfType<FunctionCallContent>().Select(c => c.CallId).ToList();
            expected.AddRange(called);
            if (called.Count > 0)
                actual.AddRange(prompt.Skip(i + 1).TakeWhile(m => m.Role == ChatRole.Tool).SelectMany(m => m.Contents).Cast<FunctionResultContent>().Select(r => r.CallId));
        }

        Assert.That(actual, Is.EqualTo(expected), "results right behind their calls");
        Assert.That(prompt.SelectMany(m => m.Contents).OfType<FunctionResultContent>().Count(), Is.EqualTo(expected.Count), "results without a call");
    }

    private static bool MayFollow(ChatMessage message, ChatMessage next)
    {
        if (message.Role == ChatRole.User)
            return next.Role == ChatRole.Assistant;
        if (next.Role == ChatRole.Tool)
            return message.Role == ChatRole.Tool || HasCalls(message);
        if (message.Role == ChatRole.Tool)
            return next.Role == ChatRole.Assistant;
        return !HasCalls(message);
    }

    private static bool HasContentsOfItsRole(ChatMessage message)
    {
        if (message.Role == ChatRole.Tool)
            return message.Contents is [FunctionResultContent];
        return message.Contents.All(c => c is TextContent || (c is FunctionCallContent && message.Role == ChatRole.Assistant));
    }

    private static bool HasCalls(ChatMessage message) => message.Contents.Any(c => c is FunctionCallContent);

    private static bool IsBlank(ChatMessage message) => string.IsNullOrWhiteSpace(message.Text) && !HasCalls(message);

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,40}$")]
    private static partial Regex Id();

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,64}$")]
    private static partial Regex Name();
}
