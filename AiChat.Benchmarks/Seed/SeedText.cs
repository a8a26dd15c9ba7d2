namespace AiChat.Benchmarks.Seed;

/// <summary>Text of the lengths people and models write: the same words in the same order on every run.</summary>
internal sealed class SeedText
{
    private const int Variants = 512;

    private static readonly string[] Words =
        ("the of and to in is you that it for on are as with they be at one have this from or had by but what some we can out other were all "
        + "there when up use your how said each she which their time if will way about many then them write would like so these her long make "
        + "thing see him two has look more day could go come did number sound no most people my over know water than call first who may down "
        + "server chat message budget token river garden window journey kitchen holiday bicycle mountain invoice meeting recipe").Split(' ');

    private readonly string[] questions;
    private readonly string[] replies;
    private int next;

    public SeedText()
    {
        var random = new Random(42);
        questions = [.. Enumerable.Range(0, Variants).Select(_ => Sentence(random, random.Next(4, 25)) + "?")];
        replies = [.. Enumerable.Range(0, Variants).Select(_ => Sentence(random, random.Next(10, 80)) + ".")];
    }

    public string NextTitle() => questions[next++ % Variants][..12].TrimEnd();

    public string NextQuestion() => questions[next++ % Variants];

    public string NextReply() => replies[next++ % Variants];

    private static string Sentence(Random random, int words) => string.Join(' ', Enumerable.Range(0, words).Select(_ => Words[random.Next(Words.Length)]));
}
