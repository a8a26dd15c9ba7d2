using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

public sealed class RunErrorTests
{
    private const string VendorText = "Invalid API Key gsk_5ecret at https://api.groq.com";

    [TestCase(ProviderError.Unauthorized, "provider_unauthorized")]
    [TestCase(ProviderError.RateLimited, "provider_rate_limited")]
    [TestCase(ProviderError.Timeout, "provider_timeout")]
    [TestCase(ProviderError.Unavailable, "provider_unavailable")]
    [TestCase(ProviderError.InvalidResponse, "provider_invalid_response")]
    [TestCase(ProviderError.Rejected, "provider_rejected")]
    public void From_ProviderFailure_HasItsCodeAndNoVendorText(ProviderError kind, string code)
    {
        var error = RunError.From(new ProviderException("groq", kind, VendorText, new InvalidOperationException(VendorText)));

        Assert.That(error.Code, Is.EqualTo(code));
        Assert.That(error.Message, Does.StartWith("The model provider 'groq' ").And.Contains("our message is stored").And.Not.Contains("gsk_"));
    }

    [Test]
    public void ToCode_EveryKindOfFailure_HasACodeOfItsOwn()
    {
        var codes = Enum.GetValues<ProviderError>().Select(RunError.ToCode);

        Assert.That(codes, Is.Unique);
    }

    [Test]
    public void From_RateLimitWithRetryAfter_PassesItOn()
    {
        var error = RunError.From(new ProviderException("groq", ProviderError.RateLimited, "") { RetryAfter = TimeSpan.FromSeconds(7) });

        Assert.That(error.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(7)));
    }

    [Test]
    public void From_RateLimitWithoutRetryAfter_SaysTenSeconds()
    {
        var error = RunError.From(new ProviderException("groq", ProviderError.RateLimited, ""));

        Assert.That(error.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public void From_OtherFailureWithRetryAfter_LeavesItOut()
    {
        var error = RunError.From(new ProviderException("groq", ProviderError.Rejected, "") { RetryAfter = TimeSpan.FromSeconds(7) });

        Assert.That(error.RetryAfter, Is.Null);
    }

    [Test]
    public void Restore_DatabaseWasAway_SaysWhenToTryAgain()
    {
        var error = RunError.ForDatabase();

        var restored = RunError.Restore(error.Code, error.Message);

        Assert.That((restored.Message, restored.RetryAfter), Is.EqualTo((error.Message, TimeSpan.FromSeconds(10))));
    }

    [Test]
    public void OtherEnds_Codes_AreStable()
    {
        string[] codes = [RunError.ForShutdown().Code, RunError.ForDeletedChat().Code, RunError.ForDatabase().Code, RunError.ForDefect().Code];

        Assert.That(codes, Is.EqualTo(new[] { "run_interrupted", "chat_deleted", "database_unavailable", "internal_error" }));
    }
}
