using AiChat.Api.Errors;
using AiChat.Core.Models;
using FluentValidation;

namespace AiChat.Api.Chats;

/// <summary>Enforced by the validators below, and documented by the attributes of the contracts.</summary>
internal static class ChatLimits
{
    public const int LongestTitle = 500;
    public const int LongestSystemPrompt = 64_000;
    public const int LongestCursor = 128;
    public const int UsualChats = 50;
    public const int MostChats = 100;
    public const int MostMessages = 1000;
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
        RuleFor(q => q.Limit).InclusiveBetween(1, ChatLimits.MostChats).WithMessage($"must be from 1 to {ChatLimits.MostChats}");
        RuleFor(q => q.Cursor).Must(c => ChatMapper.TryParseCursor(c, out _)).WithMessage("must be the next_cursor of an earlier answer");
    }
}

internal sealed class ListMessagesValidator : AbstractValidator<ListMessagesQuery>
{
    public ListMessagesValidator()
    {
        RuleFor(q => q.Limit).InclusiveBetween(1, ChatLimits.MostMessages)
            .WithMessage($"must be from 1 to {ChatLimits.MostMessages}; leave it out for all messages");
        RuleFor(q => q.Before).GreaterThanOrEqualTo(1).WithMessage("must be 1 or more");
        RuleFor(q => q.After).GreaterThanOrEqualTo(0).WithMessage("must be 0 or more");
    }
}
