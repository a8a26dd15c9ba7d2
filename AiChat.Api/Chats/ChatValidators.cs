using AiChat.Api.Errors;
using AiChat.Core.Models;
using FluentValidation;

namespace AiChat.Api.Chats;

internal static class ChatLimits
{
    public const int LongestTitle = 500;
    public const int LongestSystemPrompt = 64_000;
}

internal sealed class CreateChatValidator : AbstractValidator<CreateChatRequest>
{
    public CreateChatValidator(ModelRegistry models)
    {
        RuleFor(r => r.UserId).UserId();
        RuleFor(r => r.Title).Text(ChatLimits.LongestTitle);
        RuleFor(r => r.Model).Alias(models);
        RuleFor(r => r.SystemPrompt).Text(ChatLimits.LongestSystemPrompt);
        RuleFor(r => r.Metadata).Metadata();
    }
}

internal sealed class UpdateChatValidator : AbstractValidator<UpdateChatRequest>
{
    public UpdateChatValidator(ModelRegistry models)
    {
        RuleFor(r => r.Title.Value).Text(ChatLimits.LongestTitle).OverridePropertyName("title");
        RuleFor(r => r.Model.Value).Alias(models).OverridePropertyName("model");
        RuleFor(r => r.SystemPrompt.Value).Text(ChatLimits.LongestSystemPrompt).OverridePropertyName("system_prompt");
        RuleFor(r => r.Metadata.Value).Metadata().OverridePropertyName("metadata");
    }
}

internal sealed class ListChatsValidator : AbstractValidator<ListChatsQuery>
{
    public ListChatsValidator()
    {
        RuleFor(q => q.Limit).InclusiveBetween(1, 100).WithMessage("must be from 1 to 100");
        RuleFor(q => q.Cursor).Must(c => ChatMapper.TryParseCursor(c, out _)).WithMessage("must be the next_cursor of an earlier answer");
    }
}

internal sealed class ListMessagesValidator : AbstractValidator<ListMessagesQuery>
{
    public ListMessagesValidator()
    {
        RuleFor(q => q.Limit).InclusiveBetween(1, 1000).WithMessage("must be from 1 to 1000; leave it out for all messages");
        RuleFor(q => q.Before).GreaterThanOrEqualTo(1).WithMessage("must be 1 or more");
        RuleFor(q => q.After).GreaterThanOrEqualTo(0).WithMessage("must be 0 or more");
    }
}
