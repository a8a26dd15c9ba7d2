using System.Text.Json;
using Anthropic.Models.Messages;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>What one call sends.</summary>
internal sealed class AnthropicRequest
{
    /// <summary>Every request has to name the longest answer; this is it where nobody asked for one, in tokens.</summary>
    private const int DefaultMaxTokens = 4096;

    private static readonly Dictionary<string, JsonElement> Nothing = [];

    public AnthropicRequest(IEnumerable<ChatMessage> messages, ChatOptions? options, string model)
    {
        var (system, turns) = Split(messages);
        OpenEnd = CutOpenEnd(turns);
        var parameters = new MessageCreateParams
        {
            Model = model,
            MaxTokens = options?.MaxOutputTokens ?? DefaultMaxTokens,
            Messages = [.. turns.Select(ToParameter)],
        };
        if (system.Length > 0)
            parameters = parameters with { System = system };
        Parameters = options?.Temperature is { } temperature ? AddTemperature(parameters, temperature) : parameters;
    }

    public MessageCreateParams Parameters { get; }

    /// <summary>White space at the end of the text the model goes on with: Anthropic takes none there, and may begin its answer with it.</summary>
    public string OpenEnd { get; }

    private static (string System, List<(ChatRole Role, string Text)> Turns) Split(IEnumerable<ChatMessage> messages)
    {
        var system = new List<string>();
        var turns = new List<(ChatRole, string)>();
        foreach (var message in messages)
        {
            if (message.Role == ChatRole.System)
                system.Add(message.Text);
            else
                turns.Add((message.Role, message.Text));
        }

        return (string.Join("\n\n", system), turns);
    }

    private static string CutOpenEnd(List<(ChatRole Role, string Text)> turns)
    {
        if (turns is not [.., (var role, var text)] || role != ChatRole.Assistant)
            return "";

        var kept = text.TrimEnd();
        if (kept.Length == 0)
            turns.RemoveAt(turns.Count - 1);
        else
            turns[^1] = (role, kept);
        return text[kept.Length..];
    }

    private static MessageParam ToParameter((ChatRole Role, string Text) turn) =>
        turn.Role == ChatRole.Assistant ? new AssistantMessageParam(turn.Text) : new UserMessageParam(turn.Text);

    /// <summary>The SDK has no property for it, because only the older versions of the API take one.</summary>
    private static MessageCreateParams AddTemperature(MessageCreateParams parameters, float temperature)
    {
        var body = new Dictionary<string, JsonElement>(parameters.RawBodyData)
        {
            // A float, and so the shortest decimal that is this float: 0.7, not 0.699999988. Anthropic's scale ends at 1.
            ["temperature"] = JsonSerializer.SerializeToElement(Math.Clamp(temperature, 0, 1)),
        };
        return MessageCreateParams.FromRawUnchecked(Nothing, Nothing, body);
    }
}
