using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Budgets;

/// <summary>How much users and models may use. Nothing is limited by default.</summary>
public sealed class BudgetOptions
{
    public const string Section = "Budgets";

    /// <summary>For each user alone.</summary>
    public BudgetLimits PerUser { get; set; } = new();

    /// <summary>For one user, by the exact id: what is given here counts instead of what <see cref="PerUser"/> gives.</summary>
    public Dictionary<string, BudgetLimits> Users { get; } = new(StringComparer.Ordinal);

    /// <summary>For one alias, over all users together.</summary>
    public Dictionary<string, BudgetLimits> Models { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Values that could not be read at all; the validator reports them with everything else.</summary>
    internal List<string> Unreadable { get; } = [];

    public void Bind(IConfiguration section)
    {
        foreach (var child in section.GetChildren())
            Bind(child);
    }

    private void Bind(IConfigurationSection child)
    {
        if (Is(child, nameof(PerUser)))
            PerUser = Read(child);
        else if (Is(child, nameof(Users)))
            ReadAll(child, Users);
        else if (Is(child, nameof(Models)))
            ReadAll(child, Models);
        else
            Unreadable.Add($"{child.Path} is unknown: write {Section}:{nameof(PerUser)}, {Section}:{nameof(Users)} or {Section}:{nameof(Models)}.");
    }

    private void ReadAll(IConfigurationSection section, Dictionary<string, BudgetLimits> limits)
    {
        foreach (var child in section.GetChildren())
            limits[child.Key] = Read(child);
    }

    /// <summary>A limit with a name that is misspelt would limit nothing: it is a mistake.</summary>
    private BudgetLimits Read(IConfigurationSection section)
    {
        var limits = new BudgetLimits();
        foreach (var child in section.GetChildren().Where(c => !BudgetLimits.Names.Contains(c.Key, StringComparer.OrdinalIgnoreCase)))
            Unreadable.Add($"{child.Path} is no limit: write one of {string.Join(", ", BudgetLimits.Names)}.");
        try
        {
            section.Bind(limits);
        }
        catch (InvalidOperationException failure)
        {
            Unreadable.Add($"{failure.Message} Write a number, or leave it out for no limit.");
        }

        return limits;
    }

    private static bool Is(IConfigurationSection section, string name) => section.Key.Equals(name, StringComparison.OrdinalIgnoreCase);
}

/// <summary>The limits of one user or one alias; null limits nothing, 0 allows nothing.</summary>
public sealed class BudgetLimits
{
    internal static readonly string[] Names =
        [nameof(RequestsPerMinute), nameof(TokensPerDay), nameof(MoneyPerDay), nameof(MoneyPerMonth)];

    /// <summary>Messages in a minute, tries of a run included; minutes are those of the clock.</summary>
    public long? RequestsPerMinute { get; set; }

    /// <summary>Tokens of prompts and replies in a day, in UTC.</summary>
    public long? TokensPerDay { get; set; }

    /// <summary>Cost of a day in UTC, in the currency of the configured prices.</summary>
    public decimal? MoneyPerDay { get; set; }

    /// <summary>Cost of a month in UTC, in the currency of the configured prices.</summary>
    public decimal? MoneyPerMonth { get; set; }

    /// <summary>These limits, and those of <paramref name="general"/> where there is none here.</summary>
    internal BudgetLimits Over(BudgetLimits general) => new()
    {
        RequestsPerMinute = RequestsPerMinute ?? general.RequestsPerMinute,
        TokensPerDay = TokensPerDay ?? general.TokensPerDay,
        MoneyPerDay = MoneyPerDay ?? general.MoneyPerDay,
        MoneyPerMonth = MoneyPerMonth ?? general.MoneyPerMonth,
    };
}

/// <param name="aliases">Names of the configured aliases.</param>
public sealed class BudgetOptionsValidator(Func<IEnumerable<string>> aliases) : IValidateOptions<BudgetOptions>
{
    /// <summary>The most a number in a header may be (https://www.rfc-editor.org/rfc/rfc9651#name-integers).</summary>
    private const long MostCount = 999_999_999_999_999;

    /// <summary>Sums of money are kept exactly up to nine million.</summary>
    private const decimal MostMoney = 9_000_000;

    public ValidateOptionsResult Validate(string? name, BudgetOptions options)
    {
        var problems = new List<string>(options.Unreadable);
        var known = aliases().Order(StringComparer.Ordinal).ToList();

        Check($"{BudgetOptions.Section}:{nameof(BudgetOptions.PerUser)}", options.PerUser);
        foreach (var (user, limits) in options.Users)
            Check($"{BudgetOptions.Section}:{nameof(BudgetOptions.Users)}:{user}", limits);
        foreach (var (alias, limits) in options.Models)
        {
            var key = $"{BudgetOptions.Section}:{nameof(BudgetOptions.Models)}:{alias}";
            if (!known.Contains(alias, StringComparer.OrdinalIgnoreCase))
                problems.Add($"{key} is the budget of an alias that is not in Models: write one of {string.Join(", ", known)}, or add it there.");
            Check(key, limits);
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);

        void Check(string key, BudgetLimits limits)
        {
            CheckCount($"{key}:{nameof(BudgetLimits.RequestsPerMinute)}", limits.RequestsPerMinute, "messages");
            CheckCount($"{key}:{nameof(BudgetLimits.TokensPerDay)}", limits.TokensPerDay, "tokens");
            CheckMoney($"{key}:{nameof(BudgetLimits.MoneyPerDay)}", limits.MoneyPerDay);
            CheckMoney($"{key}:{nameof(BudgetLimits.MoneyPerMonth)}", limits.MoneyPerMonth);
        }

        void CheckCount(string key, long? limit, string unit)
        {
            if (limit is < 0 or > MostCount)
                problems.Add($"{key} is {limit}: write a number of {unit} from 0 to {MostCount}, or leave it out for no limit.");
        }

        void CheckMoney(string key, decimal? limit)
        {
            if (limit is < 0 or > MostMoney)
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key} is {limit}: write an amount from 0 to {MostMoney}, or leave it out for no limit."));
        }
    }
}
