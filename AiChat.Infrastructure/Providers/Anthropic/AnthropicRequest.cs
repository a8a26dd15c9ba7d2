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
        var list = messages as IReadOnlyCollection<ChatMessage> ?? [.. messages];
        var turns = ToTurns(list);
        OpenEnd = CutOpenEnd(turns);
        var parameters = new MessageCreateParams
        {
            Model = model,
            MaxTokens = options?.MaxOutputTokens ?? DefaultMaxTokens,
            Messages = turns.ConvertAll(t => t.ToParameter()),
        };
        if (JoinSystem(list) is { Length: > 0 } system)
            parameters = parameters with { System = system };
        if (ToTools(list) is { Count: > 0 } tools)
            parameters = parameters with { Tools = tools, ToolChoice = new ToolChoiceNone() };
        Parameters = options?.Temperature is { } temperature ? AddTemperature(parameters, temperature) : parameters;
    }

    public MessageCreateParams Parameters { get; }

    /// <summary>White space at the end of the text the model goes on with: Anthropic takes none there, and may begin its answer with it.</summary>
    public string OpenEnd { get; }

    private static string JoinSystem(IEnumerable<ChatMessage> messages) =>
        string.Join("\n\n", messages.Where(m => m.Role == ChatRole.System).Select(m => m.Text));

    private static List<AnthropicTurn> ToTurns(IEnumerable<ChatMessage> messages)
    {
        var turns = new List<AnthropicTurn>();
        foreach (var message in messages.Where(m => m.Role != ChatRole.System))
        {
            var isAssistant = message.Role == ChatRole.Assistant;
            if (turns is not [.., var last] || last.IsAssistant != isAssistant)
                turns.Add(new AnthropicTurn(isAssistant));
            turns[^1].Add(message);
        }

        return turns;
    }

    /// <summary>
    /// Calls of the past are refused where no tools are declared. What they take is not known any more, and does not matter: none may be called.
    /// </summary>
    private static List<ToolUnion> ToTools(IEnumerable<ChatMessage> messages) =>
    [
        .. messages.SelectMany(m => m.Contents.OfType<FunctionCallContent>()).Select(c => c.Name).Distinct(StringComparer.Ordinal)
            .Select(name => (ToolUnion)new Tool { Name = name, InputSchema = new InputSchema() }),
    ];

    private static string CutOpenEnd(List<AnthropicTurn> turns)
    {
        if (turns is not [.., { IsAssistant: true } last])
            return "";

        var end = last.CutEnd();
        if (last.IsEmpty)
            turns.RemoveAt(turns.Count - 1);
        return end;
    }

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
