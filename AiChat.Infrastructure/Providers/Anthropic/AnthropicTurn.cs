using System.Text.Json;
using AiChat.Core.Models;
using Anthropic.Models.Messages;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>
/// One side's messages up to the other's next. Results of tools belong to the user's side, and all those of one turn into the one message
/// behind the calls, in front of what the user says.
/// </summary>
internal sealed class AnthropicTurn(bool isAssistant)
{
    private readonly List<AIContent> contents = [];

    public bool IsAssistant => isAssistant;

    public bool IsEmpty => contents.Count == 0;

    public void Add(ChatMessage message)
    {
        var toolContents = message.Contents.Where(c => c is FunctionCallContent or FunctionResultContent).ToList();
        // Blank text is refused as a block.
        if (toolContents.Count == 0 || !string.IsNullOrWhiteSpace(message.Text))
            contents.Add(new TextContent(message.Text));
        contents.AddRange(toolContents);
    }

    /// <summary>Cuts the white space off a text at the end, with the text when it has nothing else, and returns it.</summary>
    public string CutEnd()
    {
        if (contents is not [.., TextContent { Text: var text }])
            return "";

        var kept = text.TrimEnd();
        contents.RemoveAt(contents.Count - 1);
        if (kept.Length > 0)
            contents.Add(new TextContent(kept));
        return text[kept.Length..];
    }

    public MessageParam ToParameter()
    {
        MessageContentParam content = contents is [TextContent single] ? single.Text : contents.ConvertAll(ToBlock);
        return isAssistant ? new AssistantMessageParam(content) : new UserMessageParam(content);
    }

    private static ContentBlockParam ToBlock(AIContent content) => content switch
    {
        FunctionCallContent call => new ToolUseBlockParam { ID = call.CallId, Name = call.Name, Input = ToInput(call) },
        FunctionResultContent result => ToBlock(result),
        _ => new TextBlockParam(((TextContent)content).Text),
    };

    private static ToolResultBlockParam ToBlock(FunctionResultContent result)
    {
        var text = result.GetResultText();
        return text.Length == 0 ? new ToolResultBlockParam(result.CallId) : new ToolResultBlockParam(result.CallId) { Content = text };
    }

    private static Dictionary<string, JsonElement> ToInput(FunctionCallContent call) =>
        JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(call.GetArgumentsJson())!;
}
