using AiChat.Api.Runs;
using FluentValidation;

namespace AiChat.Api.Dialects.ChatAi;

internal sealed class ChatAiCompletionValidator : AbstractValidator<ChatAiCompletionRequest>
{
    public ChatAiCompletionValidator()
    {
        RuleFor(r => r.Message).Message();
    }
}
