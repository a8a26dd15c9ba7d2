using AiChat.Infrastructure.CommandLine;

namespace AiChat.Tests.Infrastructure.CommandLine;

public sealed class ProgressLineTests
{
    [Test]
    public void Show_DoneOnATerminal_IsAFullBarDrawnOverTheLast()
    {
        using var output = new StringWriter();
        var line = new ProgressLine(output, isTerminal: true);

        line.Show(1, "3 of 3 chats", 3);
        line.Show(1, "done", 3);
        line.End();

        var parts = output.ToString().Split('\r');
        Assert.That(parts[1], Does.StartWith("[##############################] 100 % 3 of 3 chats, ").And.EndWith("/s"));
        Assert.That(parts[2], Does.Match(@"^\[#{30}\] 100 % done, [\d,]+/s +\n$").And.Length.EqualTo(parts[1].Length + Environment.NewLine.Length));
    }

    [Test]
    public void Show_ElsewhereSoonAfterTheStart_IsSilent()
    {
        using var output = new StringWriter();
        var line = new ProgressLine(output, isTerminal: false);

        line.Show(1, "3 of 3 chats", 3);
        line.End();

        Assert.That(output.ToString(), Is.Empty);
    }
}
