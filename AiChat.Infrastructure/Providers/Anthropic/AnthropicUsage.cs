using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>The usage of one answer, which comes in parts: the prompt's at the beginning, the answer's at the end, each as a total so far.</summary>
internal struct AnthropicUsage
{
    private long input;
    private long cacheRead;
    private long cacheWrite;
    private long? output;
    private long? thinking;

    /// <summary>Takes what the event tells; what it leaves out stays as it was.</summary>
    public void Add(AnthropicEvent part)
    {
        input = part.InputTokens ?? input;
        cacheRead = part.CacheReadTokens ?? cacheRead;
        cacheWrite = part.CacheWriteTokens ?? cacheWrite;
        output = part.IsBegin ? output : part.OutputTokens ?? output;
        thinking = part.ThinkingTokens ?? thinking;
    }

    /// <summary>With all tokens of the prompt as input, those of the cache included.</summary>
    public readonly UsageContent ToContent() => new(ToDetails());

    /// <inheritdoc cref="ToContent"/>
    public readonly UsageDetails ToDetails()
    {
        var prompt = input + cacheRead + cacheWrite;
        return new UsageDetails
        {
            InputTokenCount = prompt,
            OutputTokenCount = output,
            TotalTokenCount = prompt + (output ?? 0),
            CachedInputTokenCount = cacheRead,
            ReasoningTokenCount = thinking,
        };
    }
}
