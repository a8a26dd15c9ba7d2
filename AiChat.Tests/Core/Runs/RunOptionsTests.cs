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
}
