using AiChat.Core.Chats;
using AiChat.Core.Models;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Core.Chats;

public sealed class TitleOptionsTests
{
    private readonly TitleOptionsValidator validator =
        new([new ConfigureOptions<ModelsOptions>(models => models.Aliases["fast"] = new ModelAliasOptions())]);

    [Test]
    public void Validate_Defaults_AreValid()
    {
        var result = validator.Validate(null, new TitleOptions());

        Assert.That(result.Succeeded, Is.True);
    }

    [Test]
    public void Validate_SmallestAndGreatestValues_AreValid()
    {
        var results = new[]
        {
            validator.Validate(null, new TitleOptions { Model = "FAST", MaxInputTokens = 100, MaxOutputTokens = 1, Timeout = TimeSpan.FromTicks(1) }),
            validator.Validate(null, new TitleOptions { MaxInputTokens = int.MaxValue, MaxOutputTokens = int.MaxValue, Timeout = TimeSpan.FromHours(1) }),
        };

        Assert.That(results.Select(r => r.Succeeded), Is.All.True);
    }

    [Test]
    public void Validate_SeveralMistakes_NamesKeysAndCures()
    {
        var result = validator.Validate(null, new TitleOptions { Model = "slow", MaxInputTokens = 99, MaxOutputTokens = 0, Timeout = TimeSpan.Zero });

        Assert.That(result.Failures, Is.EqualTo(new[]
        {
            "Titles:Model is 'slow', which is not in Models: write one of its aliases, such as fast.",
            "Titles:MaxInputTokens is 99: write a number of tokens, 100 or more.",
            "Titles:MaxOutputTokens is 0: write a number of tokens, 1 or more.",
            "Titles:Timeout is 00:00:00: write a time above zero and up to an hour, such as 00:00:20.",
        }));
    }
}
