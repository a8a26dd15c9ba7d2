using AiChat.Core.Errors;
using AiChat.Core.Idempotency;

namespace AiChat.Tests.Core.Idempotency;

public sealed class IdempotencyKeyTests
{
    private static readonly IdempotencyKey Key = new("anna", "key-1", "fingerprint", ExpiredBefore: default);

    private static TestCaseData[] Different { get; } =
    [
        new TestCaseData(new[] { "send", null }, new[] { "send", "" }).SetArgDisplayNames("null and empty"),
        new TestCaseData(new[] { "send", "ab", "c" }, new[] { "send", "a", "bc" }).SetArgDisplayNames("the border between two fields"),
        new TestCaseData(new[] { "send", "a", null }, new[] { "send", null, "a" }).SetArgDisplayNames("the order"),
        new TestCaseData(new[] { "send", "a" }, new[] { "send", "a", null }).SetArgDisplayNames("the number of fields"),
        new TestCaseData(new[] { "send", "a" }, new[] { "retry", "a" }).SetArgDisplayNames("the operation"),
        new TestCaseData(new[] { "senda", "b" }, new[] { "send", "ab" }).SetArgDisplayNames("the border behind the operation"),
        new TestCaseData(new[] { "send", "é", "x" }, new[] { "send", "e\u0301", "x" }).SetArgDisplayNames("two ways to write a letter"),
        new TestCaseData(new[] { "send", "A" }, new[] { "send", "a" }).SetArgDisplayNames("upper and lower case"),
        new TestCaseData(new[] { "send", "a " }, new[] { "send", "a" }).SetArgDisplayNames("white space"),
    ];

    [Test]
    public void GetFingerprint_SameRequest_IsTheSame()
    {
        var first = IdempotencyKey.GetFingerprint("send", "chat-1", "漢字 😀", null);

        var second = IdempotencyKey.GetFingerprint("send", "chat-1", "漢字 😀", null);

        Assert.That(second, Is.EqualTo(first));
    }

    [TestCaseSource(nameof(Different))]
    public void GetFingerprint_RequestsThatDiffer_Differ(string?[] one, string?[] other)
    {
        var first = IdempotencyKey.GetFingerprint(one[0]!, one.AsSpan(1));

        var second = IdempotencyKey.GetFingerprint(other[0]!, other.AsSpan(1));

        Assert.That(second, Is.Not.EqualTo(first));
    }

    [Test]
    public void GetFingerprint_LongFields_IsShort()
    {
        var fingerprint = IdempotencyKey.GetFingerprint("send", new string('x', 100_000));

        Assert.That(fingerprint, Does.Match("^[0-9a-f]{64}$"));
    }

    /// <summary>Stored for a day and longer: a newer version must know what an older one has stored.</summary>
    [Test]
    public void GetFingerprint_KnownRequest_NeverChanges()
    {
        var fingerprint = IdempotencyKey.GetFingerprint("send", "a", null, "");

        Assert.That(fingerprint, Is.EqualTo("5acb6219d18424cf03f98c475c5a2bc14d0a749c579cf249f2ccae6fae0f175d"));
    }

    [Test]
    public void RequireSame_SameRequest_IsAccepted()
    {
        Assert.That(() => Key.RequireSame(new KeyedRequest("fingerprint", "run-1", default)), Throws.Nothing);
    }

    [Test]
    public void RequireSame_AnotherRequest_IsRefused()
    {
        var failure = Assert.Throws<InvalidRequestException>(() => Key.RequireSame(new KeyedRequest("another", "run-1", default)));

        Assert.That((failure.Code, failure.Field, failure.Message), Is.EqualTo(
            ("idempotency_key_reused", "Idempotency-Key", IdempotencyKey.ReusedMessage)));
    }
}
