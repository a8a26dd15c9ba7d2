using System.Globalization;
using AiChat.Infrastructure.CommandLine;
using AiChat.Infrastructure.Persistence.Copying;

namespace AiChat.Api.Verbs;

/// <summary>A line of progress for each stage of a copy.</summary>
internal sealed class CopyProgressLine(TextWriter output, bool isTerminal)
{
    private ProgressLine line = new(output, isTerminal);
    private CopyStage? stage;

    public void Show(CopyStep step)
    {
        if (stage is not null && stage != step.Stage)
        {
            line.End();
            line = new ProgressLine(output, isTerminal);
        }

        stage = step.Stage;
        var share = step.AllRows == 0 ? 1 : (double)step.Rows / step.AllRows;
        var text = string.Create(CultureInfo.InvariantCulture, $"{step.Stage.ToString().ToLowerInvariant()} {step.Table}: {step.Rows:N0} of {step.AllRows:N0} rows");
        line.Show(share, text, step.Rows - step.EarlierRows);
    }

    public void End() => line.End();
}
