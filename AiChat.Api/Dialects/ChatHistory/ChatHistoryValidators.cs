using System.Text;
using System.Text.Json;
using AiChat.Api.Errors;
using AiChat.Api.Runs;
using AiChat.Core.Chats;
using FluentValidation;

namespace AiChat.Api.Dialects.ChatHistory;

internal sealed class HistoryUserValidator : AbstractValidator<HistoryUserQuery>
{
    public HistoryUserValidator() => RuleFor(q => q.UserId)
        .Text(TextRules.LongestUserId)
        .Must(id => !string.IsNullOrWhiteSpace(id)).WithMessage("must be given, and not be empty");
}

internal sealed class HistoryOwnerValidator : AbstractValidator<HistoryOwnerQuery>
{
    public HistoryOwnerValidator() => RuleFor(q => q.UserId)
        .Text(TextRules.LongestUserId)
        .Must(id => id is null || !string.IsNullOrWhiteSpace(id)).WithMessage("must not be empty; leave it out where the conversation's id suffices");
}

internal sealed class HistoryMessageValidator : AbstractValidator<HistoryMessageRequest>
{
    private const int LongestToolCalls = 64 * 1024;

    private static readonly MessageRole[] Roles = [MessageRole.User, MessageRole.Assistant, MessageRole.Tool];

    public HistoryMessageValidator()
    {
        RuleFor(r => r.Role)
            .NotNull().WithMessage("must be given: user, assistant or tool")
            .OneOf(Roles);
        RuleFor(r => r.Content)
            .Text(SendLimits.LongestMessage)
            .Must((request, text) => !string.IsNullOrWhiteSpace(text) || MayBeEmpty(request))
            .WithMessage("must not be empty; only an assistant or a tool with tool_calls may say nothing");
        RuleFor(r => r.ToolCalls)
            .Must(calls => ChatHistoryMapper.TryReadToolCalls(calls, out _)).WithMessage("must be JSON; leave it out when there are none")
            .Must(IsShort).WithMessage($"must not be longer than {LongestToolCalls} bytes of JSON");
    }

    private static bool MayBeEmpty(HistoryMessageRequest request) =>
        request.Role is "assistant" or "tool" && ChatHistoryMapper.TryReadToolCalls(request.ToolCalls, out var calls) && calls is not null;

    private static bool IsShort(JsonElement? given) =>
        !ChatHistoryMapper.TryReadToolCalls(given, out var calls) || calls is null || Encoding.UTF8.GetByteCount(calls) <= LongestToolCalls;
}
