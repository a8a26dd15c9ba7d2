using AiChat.Core.Models;

namespace AiChat.Tests.Core.Models;

public sealed class RoutingOptionsTests
{
    [Test]
    public void Validate_Defaults_AreValid()
    {
        Assert.That(Validate(new RoutingOptions()), Is.Null);
    }

    [Test]
    public void Validate_EverythingIsWrong_ReportsItAllWithKeyAndCure()
    {
        var failures = Validate(new RoutingOptions
        {
            Retries = -1,
            RetryDelay = TimeSpan.FromSeconds(-1),
            LongestRetryDelay = TimeSpan.FromMinutes(2),
            LongestRetryAfter = TimeSpan.FromHours(1),
            FailureRatio = double.NaN,
            MinimumThroughput = 1,
            SamplingDuration = TimeSpan.Zero,
            BreakDuration = TimeSpan.FromMilliseconds(499),
            RefusedBreakDuration = TimeSpan.FromHours(2),
        });

        Assert.That(failures, Is.EqualTo(new[]
        {
            "Routing:Retries is -1: write how often a candidate is called again, from 0 to 10.",
            "Routing:RetryDelay is -00:00:01: write a time from 00:00:00 to 00:01:00, such as 00:00:00.2.",
            "Routing:LongestRetryDelay is 00:02:00: write a time from 00:00:00 to 00:01:00, such as 00:00:02.",
            "Routing:LongestRetryAfter is 01:00:00: write a time from 00:00:00 to 00:01:00, such as 00:00:05.",
            "Routing:FailureRatio is NaN: write a share above 0 and up to 1, such as 0.5.",
            "Routing:MinimumThroughput is 1: write a number of calls, 2 or more.",
            "Routing:SamplingDuration is 00:00:00: write a time from 00:00:00.5 to 01:00:00, such as 00:00:30.",
            "Routing:BreakDuration is 00:00:00.4990000: write a time from 00:00:00.5 to 01:00:00, such as 00:00:15.",
            "Routing:RefusedBreakDuration is 02:00:00: write a time from 00:00:00.5 to 01:00:00, such as 00:01:00.",
        }));
    }

    private static IEnumerable<string>? Validate(RoutingOptions options) => new RoutingOptionsValidator().Validate(null, options).Failures;
}
