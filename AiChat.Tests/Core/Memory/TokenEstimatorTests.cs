using AiChat.Core.Memory;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Memory;

public sealed class TokenEstimatorTests
{
    [TestCase("", 0)]
    [TestCase("a", 1)]
    [TestCase("abc", 1)]
    [TestCase("abcd", 2)]
    [TestCase("Hello, AI!", 4)]
    [TestCase("漢字", 2)]
    [TestCase("é", 1)]
    [TestCase("😀", 2)]
    public void Count_Text_IsAThirdOfItsUtf8BytesRoundedUp(string text, int expected)
    {
        var tokens = TokenEstimator.Count(text);

        Assert.That(tokens, Is.EqualTo(expected));
    }

    [TestCase("", 0, "")]
    [TestCase("abc", 1, "abc")]
    [TestCase("abcd", 1, "abc")]
    [TestCase("abé", 1, "ab")]
    [TestCase("😀x", 1, "")]
    [TestCase("😀x", 2, "😀x")]
    [TestCase("abc", 0, "")]
    public void Cut_Text_IsAsManyWholeCharactersAsTheTokensHold(string text, int tokens, string expected)
    {
        var cut = TokenEstimator.Cut(text, tokens);

        Assert.That(cut, Is.EqualTo(expected));
    }

    [Test]
    public void CountMessage_Text_AddsWhatAMessageCostsBesideIt()
    {
        var tokens = TokenEstimator.CountMessage("abcd");

        Assert.That(tokens, Is.EqualTo(2 + 4));
    }

    [Test]
    public void CountMessage_CallsBesideAText_CountsTheirNamesAndArguments()
    {
        var arguments = new Dictionary<string, object?> { ["city"] = "Rom" };
        var message = new ChatMessage(ChatRole.Assistant,
            [new TextContent("abcd"), new FunctionCallContent("call_1", "clock", arguments), new FunctionCallContent("call_2", "map")]);

        var tokens = TokenEstimator.CountMessage(message);

        Assert.That(tokens, Is.EqualTo(4 + TokenEstimator.Count("abcd") + TokenEstimator.Count("clock") + TokenEstimator.Count("""{"city":"Rom"}""")
            + TokenEstimator.Count("map") + TokenEstimator.Count("{}")));
    }

    [Test]
    public void CountMessage_Results_CountsEachOfThem()
    {
        var message = new ChatMessage(ChatRole.Tool, [new FunctionResultContent("call_1", "abcd"), new FunctionResultContent("call_2", "abc")]);

        var tokens = TokenEstimator.CountMessage(message);

        Assert.That(tokens, Is.EqualTo(4 + 2 + 1));
    }
}
