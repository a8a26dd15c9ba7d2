using AiChat.Api.Errors;
using AiChat.Core.Usage;
using FluentValidation;

namespace AiChat.Api.Usage;

/// <summary>Enforced by the validator below, and documented by the attributes of the contract.</summary>
internal static class UsageLimits
{
    public const int UsualGroups = 100;
    public const int MostGroups = 1000;
    public const int LongestCursor = 4096;
    public const int MostDays = 366;
}

internal sealed class UsageValidator : AbstractValidator<UsageRequestQuery>
{
    private const string MustBeInstant = "must be a day or an instant in ISO 8601, such as 2026-03-01 or 2026-03-01T12:00:00Z";

    public UsageValidator(TimeProvider time)
    {
        RuleFor(q => q.UserId)
            .Text(TextRules.LongestUserId)
            .Must(id => id is null || !string.IsNullOrWhiteSpace(id)).WithMessage("must not be empty; leave it out for all users");
        RuleFor(q => q.From).Must(text => text is null || UsageMapper.TryParse(text, isEnd: false, out _)).WithMessage(MustBeInstant);
        RuleFor(q => q.To).Must(text => text is null || UsageMapper.TryParse(text, isEnd: true, out _)).WithMessage(MustBeInstant);
        RuleFor(q => q.From)
            .Must((query, _) => GetLength(query, time) > TimeSpan.Zero).WithMessage("must be before to")
            .Must((query, _) => GetLength(query, time) <= TimeSpan.FromDays(UsageLimits.MostDays))
            .WithMessage($"must not be more than {UsageLimits.MostDays} days before to")
            .When(HasReadableTime);
        RuleFor(q => q.GroupBy).OneOf(Enum.GetValues<UsageGrouping>());
        RuleFor(q => q.Limit).InclusiveBetween(1, UsageLimits.MostGroups).WithMessage($"must be from 1 to {UsageLimits.MostGroups}");
        RuleFor(q => q.Cursor)
            .Must((query, cursor) => UsageMapper.TryParseCursor(cursor, query.GroupBy, out _))
            .WithMessage("must be the next_cursor of an earlier answer with the same group_by");
    }

    private static bool HasReadableTime(UsageRequestQuery query) =>
        (query.From is null || UsageMapper.TryParse(query.From, isEnd: false, out _)) && (query.To is null || UsageMapper.TryParse(query.To, isEnd: true, out _));

    private static TimeSpan GetLength(UsageRequestQuery query, TimeProvider time)
    {
        var (from, to) = UsageMapper.ToTime(query, time.GetUtcNow());
        return to - from;
    }
}
