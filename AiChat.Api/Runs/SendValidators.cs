using AiChat.Api.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using FluentValidation;

namespace AiChat.Api.Runs;

/// <summary>Enforced by the validator below, and documented by the attributes of the contract.</summary>
internal static class SendLimits
{
    /// <summary>More than any model's window; how much a model takes is checked against the model.</summary>
    public const int LongestMessage = 4_000_000;
    public const double LowestTemperature = 0;
    public const double HighestTemperature = 2;
}

internal static class SendRules
{
    /// <summary>What can be said in a chat.</summary>
    public static IRuleBuilderOptions<T, string?> Message<T>(this IRuleBuilder<T, string?> rule) => rule
        .Text(SendLimits.LongestMessage)
        .Must(text => !string.IsNullOrWhiteSpace(text)).WithMessage("must not be empty");
}

internal sealed class SendValidator : AbstractValidator<SendRequest>
{
    public SendValidator(ModelRegistry models)
    {
        RuleFor(r => r.ChatId)
            .Must(id => id is null || Guid.TryParse(id, out _)).WithErrorCode(Problem.InvalidId)
            .WithMessage("must be a UUID, such as 0199c0de-0000-7000-8000-000000000000; leave it out for a new chat");
        RuleFor(r => r.UserId).UserId();
        RuleFor(r => r.Message).Message();
        RuleFor(r => r.Model).Alias(models);
        RuleFor(r => r.Temperature).InclusiveBetween(SendLimits.LowestTemperature, SendLimits.HighestTemperature)
            .WithMessage($"must be from {SendLimits.LowestTemperature} to {SendLimits.HighestTemperature}");
        RuleFor(r => r.MaxTokens).GreaterThanOrEqualTo(1).WithMessage("must be 1 or more");
        RuleFor(r => r.OnBusy).OneOf(Enum.GetValues<OnBusy>());
    }
}

internal sealed class RetryRunValidator : AbstractValidator<RetryRunQuery>
{
    public RetryRunValidator()
    {
        RuleFor(q => q.Stream).Must(s => s is null or "true" or "false").WithMessage("must be true or false");
        RuleFor(q => q.OnBusy).OneOf(Enum.GetValues<OnBusy>());
    }
}
