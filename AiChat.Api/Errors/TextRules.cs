using System.Text.Json;
using FluentValidation;

namespace AiChat.Api.Errors;

/// <summary>Rules several requests share. Every message continues the field's name: "title must …".</summary>
internal static class TextRules
{
    public const int LongestUserId = 256;

    /// <summary>A text the database can hold, not longer than this.</summary>
    public static IRuleBuilderOptions<T, string?> Text<T>(this IRuleBuilder<T, string?> rule, int longest) => rule
        .Must(text => text is null || text.Length <= longest).WithMessage($"must not be longer than {longest} characters")
        .Must(text => text is null || !text.Contains('\0')).WithMessage("must not contain the character U+0000");

    public static IRuleBuilderOptions<T, string?> UserId<T>(this IRuleBuilder<T, string?> rule) => rule
        .Text(LongestUserId)
        .Must(text => text is null || !string.IsNullOrWhiteSpace(text)).WithMessage("must not be empty; leave it out for the default user");

    public static IRuleBuilderOptions<T, string?> Alias<T>(this IRuleBuilder<T, string?> rule, Core.Models.ModelRegistry models) => rule
        .Must(name => name is null || models.Find(name) is not null)
        .WithErrorCode("unknown_model")
        .WithMessage(_ => $"must be one of: {models.Known}");

    public static IRuleBuilderOptions<T, string?> OneOf<T, TEnum>(this IRuleBuilder<T, string?> rule, TEnum[] values)
        where TEnum : struct, Enum
    {
        var names = Array.ConvertAll(values, v => JsonNamingPolicy.SnakeCaseLower.ConvertName(v.ToString()));
        return rule.Must(name => name is null || names.Contains(name)).WithMessage($"must be one of: {string.Join(", ", names)}");
    }

    public static IRuleBuilderOptions<T, JsonElement?> Metadata<T>(this IRuleBuilder<T, JsonElement?> rule)
    {
        const int longest = 16 * 1024;
        return rule
            .Must(value => value is null or { ValueKind: JsonValueKind.Object or JsonValueKind.Null }).WithMessage("must be a JSON object")
            .Must(value => value is not { ValueKind: JsonValueKind.Object } given || given.GetRawText().Length <= longest)
            .WithMessage($"must not be longer than {longest} characters of JSON");
    }
}
