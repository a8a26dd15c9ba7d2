using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>How PostgreSQL runs a statement whatever values come, which is how it runs prepared ones.</summary>
internal static partial class GenericPlan
{
    /// <summary>Every step of the statements in the text, in no order.</summary>
    /// <param name="database">The database.</param>
    /// <param name="text">Statements with semicolons between them.</param>
    /// <param name="randomPageCost">What a page costs that is not the next one, in pages that are; 4 is for disks that turn.</param>
    public static Task<IReadOnlyList<PlanStep>> ExplainAsync(TestDatabase database, string text, double randomPageCost = 4) => database.Current.ReadAsync<IReadOnlyList<PlanStep>>(async connection =>
    {
        var steps = new List<PlanStep>();
        foreach (var sql in text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var names = ParameterName().Matches(sql).Select(m => m.Value).Distinct().ToList();
            // Counts of tokens are used as numbers of two widths, so their type cannot be told from the statement.
            var types = names.Select(n => n == "@OutputTokens" ? "integer" : "unknown");
            var numbered = ParameterName().Replace(sql, m => "$" + (names.IndexOf(m.Value) + 1));
            await connection.ExecuteAsync(string.Create(
                CultureInfo.InvariantCulture, $"set plan_cache_mode = force_generic_plan; set random_page_cost = {randomPageCost}"));
            await connection.ExecuteAsync($"prepare explained ({string.Join(", ", types)}) as {numbered}");
            var values = string.Join(", ", names.Select(_ => "null"));
            var plan = await connection.ExecuteScalarAsync<string>($"explain (format json) execute explained ({values})");
            await connection.ExecuteAsync("deallocate explained");
            Collect(JsonDocument.Parse(plan!).RootElement[0].GetProperty("Plan"), steps);
        }

        return steps;
    }, CancellationToken.None);

    [GeneratedRegex(@"@\w+")]
    private static partial Regex ParameterName();

    private static void Collect(JsonElement node, List<PlanStep> steps)
    {
        steps.Add(new PlanStep(Get("Node Type")!, Get("Relation Name"), Get("Index Name"), $"{Get("Index Cond")} {Get("Recheck Cond")}"));
        if (!node.TryGetProperty("Plans", out var parts))
            return;
        foreach (var part in parts.EnumerateArray())
            Collect(part, steps);

        string? Get(string name) => node.TryGetProperty(name, out var value) ? value.GetString() : null;
    }
}

/// <summary>A step of a plan.</summary>
/// <param name="Kind">Such as <c>Index Scan</c>.</param>
/// <param name="Table">The table it looks into; null when it does not.</param>
/// <param name="Index">The index it uses; null when it does not.</param>
/// <param name="Conditions">What the index is asked for.</param>
internal sealed record PlanStep(string Kind, string? Table, string? Index, string Conditions)
{
    public bool IsScan => Table is not null && Kind.EndsWith("Scan", StringComparison.Ordinal);
}
