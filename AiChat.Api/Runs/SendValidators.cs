using AiChat.Api.Errors;
using AiChat.Core.Models;
using FluentValidation;

namespace AiChat.Api.Runs;

internal sealed class SendValidator : AbstractValidator<SendRequest>
{
    /// <summary>More than any model's window; how much a model takes is checked against the model.</summary>
    private const int LongestMessage = 4_000_000;

    public SendValidator(ModelRegistry models)
    {
        RuleFor(r => r.ChatId)
            .Must(id => id is null || Guid.TryParse(id, out _)).WithErrorCode(Problem.InvalidId)
            .WithMessage("must be a UUID, such as 0199c0de-0000-7000-8000-000000000000; leave it out for a new chat");
        RuleFor(r => r.UserId).UserId();
        RuleFor(r => r.Message)
            .Text(LongestMessage)
            .Must(text => !string.IsNullOrWhiteSpace(text)).WithMessage("must not be empty");
        RuleFor(r => r.Model).Alias(models);
        RuleFor(r => r.Temperature).InclusiveBetween(0, 2).WithMessage("must be from 0 to 2");
        RuleFor(r => r.MaxTokens).GreaterThanOrEqualTo(1).WithMessage("must be 1 or more");
    }
}
