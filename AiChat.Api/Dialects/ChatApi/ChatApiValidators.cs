using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.Runs;
using FluentValidation;

namespace AiChat.Api.Dialects.ChatApi;

internal sealed class ChatApiCreateValidator : AbstractValidator<ChatApiCreateRequest>
{
    public ChatApiCreateValidator() => RuleFor(r => r.Name).Name();
}

internal sealed class ChatApiUpdateValidator : AbstractValidator<ChatApiUpdateRequest>
{
    public ChatApiUpdateValidator()
    {
        RuleFor(r => r.Name).Name();
        RuleFor(r => r.UpdatedAt)
            .Must(text => text is null || ChatApiMapper.TryParseInstant(text, out _))
            .WithMessage("must be an instant in ISO 8601 from 1970 on, such as 2026-03-14T09:26:53.589Z; leave it out for now");
    }
}

internal sealed class ChatApiConversationValidator : AbstractValidator<ChatApiConversationRequest>
{
    public ChatApiConversationValidator()
    {
        RuleFor(r => r.ChatId)
            .Cascade(CascadeMode.Stop)
            .NotNull().WithMessage("must be given")
            .Must(id => Guid.TryParse(id, out _)).WithErrorCode(Problem.InvalidId)
            .WithMessage("must be a UUID, such as 0199c0de-0000-7000-8000-000000000000");
        RuleFor(r => r.Role).Must(ChatApiMapper.IsRole).WithMessage($"must be {ChatApiMapper.Human} or {ChatApiMapper.Assistant}");
        RuleFor(r => r.Message)
            .Text(SendLimits.LongestMessage)
            .Must(text => !string.IsNullOrWhiteSpace(text)).WithMessage("must not be empty");
    }
}

internal static class ChatApiRules
{
    public static void Name<T>(this IRuleBuilder<T, string?> rule) => rule
        .Text(ChatLimits.LongestTitle)
        .NotNull().WithMessage("must be given");
}
