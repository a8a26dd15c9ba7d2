using AiChat.Core.Memory;
using AiChat.Core.WebSearch;

namespace AiChat.Tests.Core.WebSearch;

public sealed class ExcerptsTests
{
    [Test]
    public void Select_RoomForEverythingThatMatches_TakesItInTheOrderOfTheText()
    {
        var excerpts = Excerpts.Select("Tiber", [Passages("Tiber first", "Tiber second Tiber", "Tiber third")], 3000);

        Assert.That(excerpts.Single(), Is.EqualTo(Passages("Tiber first", "Tiber second Tiber", "Tiber third")));
    }

    [Test]
    public void Select_PassagesBetweenThatDoNotMatch_LeaveAGap()
    {
        var excerpts = Excerpts.Select("Tiber", [Passages("intro", "Tiber one", "something", "Tiber two")], 3000);

        Assert.That(excerpts.Single(), Is.EqualTo($"{Passage("Tiber one")} … {Passage("Tiber two")}"));
    }

    [Test]
    public void Select_NoRoomForAll_TakesTheBest()
    {
        var excerpts = Excerpts.Select("Tiber river", [Passages("Tiber", "Tiber river", "river")], 150);

        Assert.That(excerpts.Single(), Is.EqualTo(Passage("Tiber river")));
    }

    [Test]
    public void Select_TextWithoutMatch_GivesItsBeginning()
    {
        var excerpts = Excerpts.Select("Tiber", [Passages("Tevere", "something"), Passage("Tiber")], 3000);

        Assert.That(excerpts, Is.EqualTo(new[] { Passage("Tevere"), Passage("Tiber") }));
    }

    [Test]
    public void Select_OneOfSeveralTexts_TakesNoMoreThanHalf()
    {
        var long1 = Passages([.. Enumerable.Repeat("Tiber Tiber Tiber", 50)]);

        var excerpts = Excerpts.Select("Tiber", [long1, Passage("Tiber and more"), Passage("no match")], 1000);

        Assert.That(TokenEstimator.Count(excerpts[0]), Is.InRange(450, 500));
        Assert.That(excerpts.Skip(1), Is.EqualTo(new[] { Passage("Tiber and more"), Passage("no match") }));
    }

    [Test]
    public void Select_OneTextAlone_TakesEverything()
    {
        var excerpts = Excerpts.Select("Tiber", [Passages([.. Enumerable.Repeat("Tiber", 50)])], 1000);

        Assert.That(TokenEstimator.Count(excerpts.Single()), Is.InRange(950, 1000));
    }

    [Test]
    public void Select_SmallBudget_CutsThePassageBehindAWord()
    {
        var excerpt = Excerpts.Select("Tiber", [Passage("Tiber")], 60).Single();

        Assert.That(excerpt, Does.StartWith("Tiber word word").And.EndsWith(" word…"));
        Assert.That(TokenEstimator.Count(excerpt), Is.InRange(50, 60));
    }

    [TestCase(41)]
    [TestCase(0)]
    [TestCase(-5)]
    public void Select_NextToNoBudget_TakesNothing(int tokens)
    {
        Assert.That(Excerpts.Select("Tiber", [Passage("Tiber")], tokens), Is.EqualTo(new[] { "" }));
    }

    [Test]
    public void Select_CutPassage_IsFollowedByAGap()
    {
        var excerpt = Excerpts.Select("Tiber", [Passages("Tiber", "Tiber Tiber")], 240).Single();

        Assert.That(excerpt, Does.Contain("word… … Tiber Tiber word"));
        Assert.That(TokenEstimator.Count(excerpt), Is.LessThanOrEqualTo(240));
    }

    [Test]
    public void Select_AnyBudget_IsKept([Values(100, 333, 1000, 2500)] int tokens)
    {
        string[] texts = [Passages([.. Enumerable.Repeat("Tiber", 9)]), Passages([.. Enumerable.Repeat("河流 Tiber", 9)]), Passages("a", "Tiber", "b", "Tiber")];

        var excerpts = Excerpts.Select("Tiber 河流", texts, tokens);

        Assert.That(excerpts.Sum(TokenEstimator.Count), Is.InRange(tokens / 3, tokens));
    }

    [Test]
    public void Select_NoTexts_IsEmpty()
    {
        Assert.That(Excerpts.Select("Tiber", [], 1000), Is.Empty);
    }

    /// <summary>A paragraph that is a passage of its own: 126 tokens or a little more.</summary>
    private static string Passage(string words) => words + string.Concat(Enumerable.Repeat(" word", 73));

    private static string Passages(params string[] words) => string.Join("\n\n", words.Select(Passage));
}
