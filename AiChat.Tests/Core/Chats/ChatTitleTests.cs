using AiChat.Core.Chats;

namespace AiChat.Tests.Core.Chats;

public sealed class ChatTitleTests
{
    [TestCase("Hello", "Hello")]
    [TestCase("  Hello\r\n\tthere,\u00a0 AI!\n", "Hello there, AI!")]
    [TestCase("Which three places should I see on one day in Rome, and where do I eat?", "Which three places should I see on one day in Rome, and")]
    [TestCase("This message has exactly as many characters as a title, sixty", "This message has exactly as many characters as a title,")]
    [TestCase("This message has exactly as many characters as a title: sixt", "This message has exactly as many characters as a title: sixt")]
    [TestCase("See https://example.com/a/very/long/address/that/is/a/single/word/of/its/own", "See")]
    [TestCase("\u0007\u0000Ring", "Ring")]
    [TestCase(" \n ", "")]
    public void FromMessage_Text_IsItsBeginningInWholeWords(string message, string expected)
    {
        var title = ChatTitle.FromMessage(message);

        Assert.That(title, Is.EqualTo(expected));
    }

    [Test]
    public void FromMessage_OneLongWord_IsCutBetweenCharacters()
    {
        var title = ChatTitle.FromMessage("x" + string.Concat(Enumerable.Repeat("😀", 40)));

        Assert.That(title, Is.EqualTo("x" + string.Concat(Enumerable.Repeat("😀", 29))));
    }

    [TestCase("A day in Rome", "A day in Rome")]
    [TestCase("\n\n  A day in Rome\nThis title fits because…", "A day in Rome")]
    [TestCase("\"A day in Rome.\"", "A day in Rome")]
    [TestCase("“A day in Rome”", "A day in Rome")]
    [TestCase("„Ein Tag in Rom“", "Ein Tag in Rom")]
    [TestCase("« Un jour à Rome »", "Un jour à Rome")]
    [TestCase("Title: A day in Rome", "A day in Rome")]
    [TestCase("**Title:** \"A day in Rome\".", "A day in Rome")]
    [TestCase("# A day in Rome", "A day in Rome")]
    [TestCase("ローマの一日。", "ローマの一日")]
    [TestCase("\"Rome\" and \"Athens\"", "\"Rome\" and \"Athens\"")]
    [TestCase("Learning C#", "Learning C#")]
    [TestCase("Is it late?", "Is it late?")]
    [TestCase("\"\"", "")]
    [TestCase("...", "")]
    [TestCase("", "")]
    public void FromAnswer_Text_IsTheTitleInIt(string answer, string expected)
    {
        var title = ChatTitle.FromAnswer(answer);

        Assert.That(title, Is.EqualTo(expected));
    }

    [Test]
    public void FromAnswer_LongText_IsCutBehindAWord()
    {
        var title = ChatTitle.FromAnswer(string.Concat(Enumerable.Repeat("seven c ", 2000)));

        Assert.That(title, Is.EqualTo(string.Concat(Enumerable.Repeat("seven c ", 10)).TrimEnd()));
    }
}
