using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.Runs;
using AiChat.Core.Chats;
using FluentValidation;

namespace AiChat.Api.Dialects.CreateChat;

internal sealed class StartChatValidator : AbstractValidator<StartChatRequest>
{
    public StartChatValidator()
    {
        RuleFor(r => r.ChatTitle).Text(ChatLimits.LongestTitle);
        RuleFor(r => r.FirstMessage)
            .NotNull().WithMessage("must be given, such as {\"role\": \"user\", \"text\": \"Hello\"}")
            .SetValidator(new TextMessageValidator()!);
    }
}

internal sealed class TextMessageValidator : AbstractValidator<TextMessageRequest>
{
    public TextMessageValidator()
    {
        RuleFor(m => m.Role).NotNull().WithMessage("must be given, such as user").OneOf(Enum.GetValues<MessageRole>());
        RuleFor(m => m.Text).Message();
    }
}
