using AiChat.Core.Memory;

namespace AiChat.Tests.Core.Memory;

public sealed class MemoryOptionsTests
{
    [Test]
    public void Validate_Defaults_AreValid()
    {
        var result = new MemoryOptionsValidator().Validate(null, new MemoryOptions());

        Assert.That(result.Succeeded, Is.True);
    }

    [Test]
    public void Validate_SmallestValues_AreValid()
    {
        var result = new MemoryOptionsValidator().Validate(null, new MemoryOptions { HistoryTokens = 0, ReservedForAnswer = 1 });

        Assert.That(result.Succeeded, Is.True);
    }

    [Test]
    public void Validate_EverythingWrong_ReportsAllWithKeyAndCure()
    {
        var result = new MemoryOptionsValidator().Validate(null, new MemoryOptions { HistoryTokens = -1, ReservedForAnswer = 0 });

        Assert.That(result.Failures, Is.EqualTo(new[]
        {
            "Memory:HistoryTokens is -1: write how many tokens of earlier messages go into a prompt, 0 or more.",
            "Memory:ReservedForAnswer is 0: write how many tokens to keep free for the answer, 1 or more.",
        }));
    }
}
