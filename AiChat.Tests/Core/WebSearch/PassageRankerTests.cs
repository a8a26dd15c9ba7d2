using AiChat.Core.Memory;
using AiChat.Core.WebSearch;

namespace AiChat.Tests.Core.WebSearch;

public sealed class PassageRankerTests
{
    private static readonly string Filler = string.Join(' ', Enumerable.Repeat("something else entirely", 20));

    [Test]
    public void Rank_TextsOfDifferentSubjects_PutsTheOneAskedForFirst()
    {
        var ranked = PassageRanker.Rank("How long is the Tiber?", ["The Seine is a river in France.", "The Tiber is 405 km long.", "Rome lies on the Tiber."]);

        Assert.That(ranked.Select(p => p.TextNumber), Is.EqualTo(new[] { 1, 2, 0 }));
    }

    [Test]
    public void Rank_RareWord_CountsMoreThanACommonOne()
    {
        var ranked = PassageRanker.Rank("river Tiber", ["A river, a river.", "Here the Tiber flows.", "Another river.", "One more river."]);

        Assert.That(ranked[0].TextNumber, Is.EqualTo(1));
    }

    [Test]
    public void Rank_SameWordInALongerPassage_CountsLess()
    {
        var ranked = PassageRanker.Rank("Tiber", [$"The Tiber. {Filler}", "The Tiber."]);

        Assert.That(ranked.Select(p => p.TextNumber), Is.EqualTo(new[] { 1, 0 }));
    }

    [TestCase("ГДЕ РЕКА?", "Эта река длинная.")]
    [TestCase("straße", "STRASSE und Straße")]
    [TestCase("東京の天気", "明日の東京は雨です。")]
    [TestCase("东京天气", "今天东京的天气很好")]
    [TestCase("서울의 날씨", "서울에서는 비가 옵니다")]
    [TestCase("แม่น้ำ", "กรุงเทพฯ ตั้งอยู่บนแม่น้ำเจ้าพระยา")]
    [TestCase("नदी", "यह नदी लंबी है")]
    [TestCase("𠮷野家", "昨日𠮷野家で食べた")]
    [TestCase("version 3.5", "Released as 3.5 in May")]
    public void Rank_OtherLanguages_FindTheirWords(string query, string text)
    {
        var ranked = PassageRanker.Rank(query, ["Nothing of the kind.", text]);

        Assert.That((ranked[0].TextNumber, ranked[0].Score > 0, ranked[1].Score), Is.EqualTo((1, true, 0d)));
    }

    [Test]
    public void Rank_CharactersInAnotherOrder_AreOtherWords()
    {
        var ranked = PassageRanker.Rank("京都", ["東京都庁"]);
        var other = PassageRanker.Rank("都京", ["東京都庁"]);

        Assert.That((ranked[0].Score > 0, other[0].Score), Is.EqualTo((true, 0d)));
    }

    [Test]
    public void Rank_NothingInCommon_KeepsTheOrderOfTheTexts()
    {
        var ranked = PassageRanker.Rank("zebra", ["one", "two", "three"]);

        Assert.That(ranked, Is.EqualTo(new[] { new Passage(0, 0, "one", 0), new Passage(1, 0, "two", 0), new Passage(2, 0, "three", 0) }));
    }

    [TestCase("")]
    [TestCase(" \n\r\n ")]
    public void Rank_EmptyText_HasNoPassages(string text)
    {
        Assert.That(PassageRanker.Rank("zebra", [text]), Is.Empty);
    }

    [TestCase("")]
    [TestCase("?!")]
    public void Rank_QueryWithoutWords_FindsNothingBetterThanAnother(string query)
    {
        Assert.That(PassageRanker.Rank(query, ["one", "two"]).Select(p => p.Score), Is.All.Zero);
    }

    [Test]
    public void Rank_ShortParagraphs_AreJoinedToPassages()
    {
        var paragraphs = Enumerable.Range(0, 40).Select(n => $"Paragraph {n} says a little about the subject, and no more than that.").ToList();

        var passages = PassageRanker.Rank("zebra", [string.Join("\r\n \r\n", paragraphs)]);

        Assert.That(string.Join("\n\n", passages.Select(p => p.Text)), Is.EqualTo(string.Join("\n\n", paragraphs)));
        Assert.That(passages.Select(p => p.Index), Is.EqualTo(Enumerable.Range(0, passages.Count)));
        Assert.That(passages.SkipLast(1).Select(p => TokenEstimator.Count(p.Text)), Is.All.InRange(PassageRanker.FewestTokens, PassageRanker.MostTokens));
    }

    [TestCase("This sentence is one of many that stand in the same paragraph. ", " ")]
    [TestCase("these words never come to an end ", " ")]
    [TestCase("这是一个很长的段落。", "")]
    [TestCase("語", "")]
    public void Rank_LongParagraph_IsCutWithoutLosingAnything(string part, string joint)
    {
        var paragraph = string.Concat(Enumerable.Repeat(part, 300)).Trim();

        var passages = PassageRanker.Rank("zebra", [paragraph]);

        Assert.That(string.Join(joint, passages.Select(p => p.Text)), Is.EqualTo(paragraph));
        Assert.That(passages.SkipLast(1).Select(p => TokenEstimator.Count(p.Text)), Is.All.InRange(PassageRanker.FewestTokens, PassageRanker.MostTokens));
    }

    [Test]
    public void Rank_LongParagraphOfSentences_IsCutBehindThem()
    {
        var paragraph = string.Concat(Enumerable.Repeat("This sentence is one of many that stand in the same paragraph. ", 50));

        var passages = PassageRanker.Rank("zebra", [paragraph]);

        Assert.That(passages, Has.Count.GreaterThan(3));
        Assert.That(passages.Select(p => p.Text), Is.All.StartsWith("This").And.All.EndsWith("paragraph."));
    }

    [Test]
    public void Rank_HugeParagraph_IsCutWithoutLosingAnything()
    {
        var paragraph = string.Concat(Enumerable.Repeat("word ", 400_000)).Trim();

        var passages = PassageRanker.Rank("zebra", [paragraph]);

        Assert.That(passages.Sum(p => p.Text.Length + 1), Is.EqualTo(paragraph.Length + 1));
    }

    [Test]
    public void Rank_SamePages_AreRankedAlikeEveryTime()
    {
        string[] texts = [Filler + "\n\nThe Tiber.", "The Tiber.\n\n" + Filler, "Tiber river Tiber"];

        var first = PassageRanker.Rank("the river Tiber", texts);

        Assert.That(PassageRanker.Rank("the river Tiber", texts), Is.EqualTo(first));
    }
}
