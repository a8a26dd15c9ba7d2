using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiChat.Tests.OpenApi;

/// <summary>
/// Finds what is wrong with a JSON value by its schema: as much of OpenAPI 3.0 as the document uses. Stricter in one point: a property
/// the schema does not name is wrong, because examples and answers must not hold what is not documented.
/// </summary>
internal sealed class SchemaCheck(DocumentedApi api)
{
    private const string InstantFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    public IEnumerable<string> FindProblems(JsonNode? value, JsonNode schema, string at = "$")
    {
        var rules = api.Resolve(schema).AsObject();
        if (rules["allOf"] is JsonArray parts)
            return parts.SelectMany(p => FindProblems(value, p!, at));
        if (rules["anyOf"] is JsonArray choices)
            return choices.Select(c => FindProblems(value, c!, at).ToList()).MinBy(p => p.Count)!;
        // A schema without a type takes everything.
        if (value is null)
            return IsTrue(rules["nullable"]) || rules["type"] is null ? [] : [$"{at} is null"];

        return rules["type"]?.GetValue<string>() switch
        {
            "object" => CheckObject(value, rules, at),
            "array" => value is JsonArray items
                ? items.SelectMany((item, i) => FindProblems(item, rules["items"]!, $"{at}[{i}]"))
                : [$"{at} is not an array"],
            "string" => CheckString(value, rules, at),
            "integer" => IsNumber(value, isWhole: true) ? CheckRange(value, rules, at) : [$"{at} is not a whole number"],
            "number" => IsNumber(value, isWhole: false) ? CheckRange(value, rules, at) : [$"{at} is not a number"],
            "boolean" => value.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? [] : [$"{at} is not a boolean"],
            null => [],
            var other => [$"{at} has a schema of the unknown type {other}"],
        };
    }

    private IEnumerable<string> CheckObject(JsonNode value, JsonObject rules, string at)
    {
        if (value is not JsonObject fields)
            return [$"{at} is not an object"];

        var properties = rules["properties"]?.AsObject() ?? [];
        var others = rules["additionalProperties"];
        var missing = (rules["required"]?.AsArray() ?? [])
            .Select(r => r!.GetValue<string>())
            .Where(r => !fields.ContainsKey(r))
            .Select(r => $"{at}.{r} is missing");
        return missing.Concat(fields.SelectMany(f => (properties[f.Key] ?? others) is { } schema
            ? FindProblems(f.Value, schema, $"{at}.{f.Key}")
            : [$"{at}.{f.Key} is not documented"]));
    }

    private static IEnumerable<string> CheckString(JsonNode value, JsonObject rules, string at)
    {
        if (value.GetValueKind() != JsonValueKind.String)
            return [$"{at} is not a text"];

        var text = value.GetValue<string>();
        var hasFormat = rules["format"]?.GetValue<string>() switch
        {
            "uuid" => Guid.TryParseExact(text, "D", out _),
            "date-time" => DateTimeOffset.TryParseExact(text, InstantFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
            _ => true,
        };
        var isListed = rules["enum"] is not JsonArray list || list.Any(v => v!.GetValue<string>() == text);
        var isLongEnough = text.Length >= (rules["minLength"]?.GetValue<int>() ?? 0);
        var isShortEnough = text.Length <= (rules["maxLength"]?.GetValue<int>() ?? int.MaxValue);
        return hasFormat && isListed && isLongEnough && isShortEnough ? [] : [$"{at} must not be \"{text}\""];
    }

    private static IEnumerable<string> CheckRange(JsonNode value, JsonObject rules, string at)
    {
        var number = ToNumber(value);
        var isInRange = number >= (rules["minimum"] is { } least ? ToNumber(least) : double.MinValue)
            && number <= (rules["maximum"] is { } most ? ToNumber(most) : double.MaxValue);
        return isInRange ? [] : [$"{at} must not be {number}"];
    }

    private static bool IsNumber(JsonNode value, bool isWhole) =>
        value.GetValueKind() == JsonValueKind.Number && (!isWhole || double.IsInteger(ToNumber(value)));

    private static double ToNumber(JsonNode value) => double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture);

    private static bool IsTrue(JsonNode? value) => value?.GetValue<bool>() == true;
}
