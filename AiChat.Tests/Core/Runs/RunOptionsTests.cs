using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

public sealed class RunOptionsTests
{
    [TestCase("00:00:00")]
    [TestCase("00:00:10")]
    [TestCase("00:00:15")]
    public void Validate_ShutdownTimeoutWithinLimits_IsValid(string time)
    {
        var result = new RunOptionsValidator().Validate(null, new RunOptions { ShutdownTimeout = TimeSpan.Parse(time, null) });

        Assert.That(result.Succeeded, Is.True);
    }

    [TestCase("-00:00:01")]
    [TestCase("00:00:16")]
    public void Validate_ShutdownTimeoutOutsideLimits_NamesKeyAndCure(string time)
    {
        var result = new RunOptionsValidator().Validate(null, new RunOptions { ShutdownTimeout = TimeSpan.Parse(time, null) });

        Assert.That(result.Failures, Is.EqualTo(new[]
        {
            $"Runs:ShutdownTimeout is {time}: write a time from 00:00:00 to 00:00:15, such as 00:00:10.",
        }));
    }

    [TestCase(nameof(RunOptions.MaxDuration), "00:00:00.0010000", "1.00:00:00")]
    [TestCase(nameof(RunOptions.MaxReplyTokens), 1, 4_194_304)]
    [TestCase(nameof(RunOptions.QueueLimit), 0, int.MaxValue)]
    [TestCase(nameof(RunOptions.Retention), "00:00:00", "36500.00:00:00")]
    [TestCase(nameof(RunOptions.IdempotencyRetention), "00:00:00.0010000", "36500.00:00:00")]
    [TestCase(nameof(RunOptions.OnRestart), OnRestart.Settle, OnRestart.Continue)]
    public void Validate_SmallestAndGreatestValue_AreValid(string setting, object smallest, object greatest)
    {
        var validator = new RunOptionsValidator();

        var results = new[] { validator.Validate(null, With(setting, smallest)), validator.Validate(null, With(setting, greatest)) };

        Assert.That(results.Select(r => r.FailureMessage), Is.All.Null);
    }

    [TestCase(nameof(RunOptions.MaxDuration), "00:00:00", "write a time above zero and up to a day, such as 00:10:00.")]
    [TestCase(nameof(RunOptions.MaxDuration), "1.00:00:01", "write a time above zero and up to a day, such as 00:10:00.")]
    [TestCase(nameof(RunOptions.MaxReplyTokens), 0, "write a number of tokens from 1 to 4194304.")]
    [TestCase(nameof(RunOptions.MaxReplyTokens), 4_194_305, "write a number of tokens from 1 to 4194304.")]
    [TestCase(nameof(RunOptions.QueueLimit), -1, "write how many messages may wait in one chat, 0 or more.")]
    [TestCase(nameof(RunOptions.Retention), "-00:00:01", "write a time from zero to 36500.00:00:00, such as 7.00:00:00 for seven days.")]
    [TestCase(nameof(RunOptions.IdempotencyRetention), "00:00:00", "write a time above zero and up to 36500.00:00:00, such as 1.00:00:00 for a day.")]
    [TestCase(nameof(RunOptions.OnRestart), (OnRestart)2, "write Settle or Continue.")]
    public void Validate_ValueOutsideLimits_NamesKeyAndCure(string setting, object value, string cure)
    {
        var result = new RunOptionsValidator().Validate(null, With(setting, value));

        Assert.That(result.Failures, Is.EqualTo(new[] { $"Runs:{setting} is {value}: {cure}" }));
    }

    /// <summary>Counted back from now, such a time would lie before the first year of the calendar.</summary>
    [TestCase(nameof(RunOptions.Retention))]
    [TestCase(nameof(RunOptions.IdempotencyRetention))]
    public void Validate_RetentionLongerThanTheCalendar_NamesTheLongest(string setting)
    {
        var result = new RunOptionsValidator().Validate(null, With(setting, "1000000.00:00:00"));

        Assert.That(result.Failures!.Single(), Does.StartWith($"Runs:{setting} is 1000000.00:00:00").And.Contain("36500.00:00:00"));
    }

    [Test]
    public void Validate_SeveralProblems_AreAllNamed()
    {
        var options = new RunOptions { MaxReplyTokens = 0, QueueLimit = -1, OnRestart = (OnRestart)2 };

        var result = new RunOptionsValidator().Validate(null, options);

        Assert.That(result.Failures!.Select(f => f.Split(' ')[0]), Is.EqualTo(new[] { "Runs:MaxReplyTokens", "Runs:QueueLimit", "Runs:OnRestart" }));
    }

    private static RunOptions With(string setting, object value)
    {
        var options = new RunOptions();
        var property = typeof(RunOptions).GetProperty(setting)!;
        property.SetValue(options, property.PropertyType == typeof(TimeSpan) ? TimeSpan.Parse((string)value, null) : value);
        return options;
    }
}
