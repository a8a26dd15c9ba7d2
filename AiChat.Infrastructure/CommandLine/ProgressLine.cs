using System.Diagnostics;
using System.Globalization;

namespace AiChat.Infrastructure.CommandLine;

/// <summary>How far the work is: a bar that is drawn over itself on a terminal, now and then a plain line anywhere else.</summary>
public sealed class ProgressLine(TextWriter output, bool isTerminal)
{
    private const int Width = 30;

    private static readonly TimeSpan RedrawInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    private readonly Stopwatch clock = Stopwatch.StartNew();
    private TimeSpan shownAt;
    private int length;

    /// <param name="share">How much of the work is done, from 0 to 1.</param>
    /// <param name="what">What was done so far, in words.</param>
    /// <param name="count">The same as a number, of which the speed is told.</param>
    public void Show(double share, string what, long count)
    {
        var now = clock.Elapsed;
        if (now - shownAt < (isTerminal ? RedrawInterval : LineInterval) && !(isTerminal && share >= 1))
            return;
        shownAt = now;

        var text = string.Create(CultureInfo.InvariantCulture, $"{share,4:P0} {what}, {count / now.TotalSeconds:N0}/s");
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
