using AiChat.Core.Budgets;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Core.Budgets;

public sealed class BudgetOptionsTests
{
    [Test]
    public void Bind_Section_ReadsEveryLimit()
    {
        var options = Bind(
            ("PerUser:RequestsPerMinute", "1"), ("PerUser:TokensPerDay", "20000000000"), ("PerUser:MoneyPerDay", "0.5"), ("PerUser:MoneyPerMonth", "4"),
            ("Users:alice:TokensPerDay", "5"), ("Models:smart:MoneyPerMonth", "6"));

        var all = options.PerUser;
        Assert.That((all.RequestsPerMinute, all.TokensPerDay, all.MoneyPerDay, all.MoneyPerMonth), Is.EqualTo((1L, 20_000_000_000L, 0.5m, 4m)));
        Assert.That((options.Users["alice"].TokensPerDay, options.Users["alice"].MoneyPerDay), Is.EqualTo(((long?)5, default(decimal?))));
        Assert.That(options.Models["SMART"].MoneyPerMonth, Is.EqualTo(6m));
    }

    [Test]
    public void Validate_Default_IsValidAndLimitsNothing()
    {
        var options = Bind();

        Assert.That(Validate(options), Is.Empty);
        Assert.That(new BudgetPolicy(Microsoft.Extensions.Options.Options.Create(options)).GetWindows("anna", "fast", default), Is.Empty);
    }

    [TestCase("PerUser:RequestsPerMinute", "0", "999999999999999")]
    [TestCase("Users:alice:TokensPerDay", "0", "999999999999999")]
    [TestCase("Models:fast:MoneyPerDay", "0", "9000000")]
    [TestCase("Models:FAST:MoneyPerMonth", "0.000000000001", "9000000")]
    public void Validate_SmallestAndGreatestLimit_AreValid(string key, string smallest, string greatest)
    {
        Assert.That(Validate(Bind((key, smallest))), Is.Empty);
        Assert.That(Validate(Bind((key, greatest))), Is.Empty);
    }

    [TestCase("PerUser:RequestsPerMinute", "-1", "Budgets:PerUser:RequestsPerMinute is -1: write a number of messages from 0 to 999999999999999, or leave it out for no limit.")]
    [TestCase("Users:alice:TokensPerDay", "1000000000000000", "Budgets:Users:alice:TokensPerDay is 1000000000000000: write a number of tokens from 0 to 999999999999999, or leave it out for no limit.")]
    [TestCase("Models:fast:MoneyPerDay", "-0.01", "Budgets:Models:fast:MoneyPerDay is -0.01: write an amount from 0 to 9000000, or leave it out for no limit.")]
    [TestCase("Models:fast:MoneyPerMonth", "9000000.01", "Budgets:Models:fast:MoneyPerMonth is 9000000.01: write an amount from 0 to 9000000, or leave it out for no limit.")]
    [TestCase("Models:quick:TokensPerDay", "1", "Budgets:Models:quick is the budget of an alias that is not in Models: write one of fast, smart, or add it there.")]
    [TestCase("PerUser:TokenPerDay", "1", "Budgets:PerUser:TokenPerDay is no limit: write one of RequestsPerMinute, TokensPerDay, MoneyPerDay, MoneyPerMonth.")]
    [TestCase("PerModel:fast:TokensPerDay", "1", "Budgets:PerModel is unknown: write Budgets:PerUser, Budgets:Users or Budgets:Models.")]
    public void Validate_WrongValue_NamesKeyAndCure(string key, string value, string problem)
    {
        Assert.That(Validate(Bind((key, value))), Is.EqualTo(new[] { problem }));
    }

    [Test]
    public void Validate_SeveralWrongValues_ReportsAllAtOnce()
    {
        var problems = Validate(Bind(("PerUser:TokensPerDay", "many"), ("Users:alice:MoneyPerDay", "-1"), ("Models:quick:MoneyPerDay", "-1")));

        Assert.That(problems, Has.Count.EqualTo(4));
        Assert.That(problems[0], Does.Contain("Budgets:PerUser:TokensPerDay").And.EndsWith("Write a number, or leave it out for no limit."));
    }

    private static BudgetOptions Bind(params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(s => new KeyValuePair<string, string?>($"Budgets:{s.Key}", s.Value)))
            .Build();
        var options = new BudgetOptions();
        options.Bind(configuration.GetSection(BudgetOptions.Section));
        return options;
    }

    private static List<string> Validate(BudgetOptions options) =>
        [.. new BudgetOptionsValidator(() => ["smart", "fast"]).Validate(null, options).Failures ?? []];
}
