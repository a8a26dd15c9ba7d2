using System.Diagnostics;
using System.Globalization;

namespace AiChat.Benchmarks.Seed;

/// <summary>How far the work is: a bar that is drawn over itself on a terminal, now and then a plain line anywhere else.</summary>
internal sealed class ProgressLine(TextWriter output, bool isTerminal)
{
    private const int Width = 30;

    private static readonly TimeSpan RedrawInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    private readonly Stopwatch clock = Stopwatch.StartNew();
    private TimeSpan shownAt;
    private int length;

    public void Show(SeedProgress progress)
    {
        var now = clock.Elapsed;
        var isDone = progress.Chats == progress.AllChats;
        if (now - shownAt < (isTerminal ? RedrawInterval : LineInterval) && !(isTerminal && isDone))
            return;
        shownAt = now;

        var share = (double)progress.Chats / progress.AllChats;
        var text = string.Create(CultureInfo.InvariantCulture,
            $"{share,4:P0} {progress.Chats:N0} of {progress.AllChats:N0} chats, {progress.Messages:N0} messages, {progress.Messages / now.TotalSeconds:N0}/s");
        if (isTerminal)
            Redraw($"[{new string('#', (int)(share * Width)).PadRight(Width, '.')}] {text}");
        else
            output.WriteLine(text);
    }

    /// <summary>Leaves the bar standing and goes on below it.</summary>
    public void End()
    {
        if (length > 0)
            output.WriteLine();
    }

    private void Redraw(string text)
    {
        output.Write('\r' + text.PadRight(length));
        length = text.Length;
    }
}
