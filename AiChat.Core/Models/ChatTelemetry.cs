using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AiChat.Core.Models;

/// <summary>
/// What is measured, and under which names: those of OpenTelemetry's conventions for generative AI. Nothing is, as long as nobody listens.
/// </summary>
/// <param name="includeContents">Whether spans carry the messages and the replies.</param>
public sealed class ChatTelemetry(bool includeContents)
{
    /// <summary>Name of the meter and of the source of spans.</summary>
    public const string Name = "AiChat";

    private static readonly Meter Meter = new(Name);

    private static readonly InstrumentAdvice<double> Seconds =
        new() { HistogramBucketBoundaries = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] };

    private static readonly InstrumentAdvice<long> Tokens = new()
    {
        HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864],
    };

    /// <inheritdoc cref="ChatTelemetry(bool)" path="/param[@name='includeContents']"/>
    public bool IncludeContents => includeContents;

    /// <summary>Whether anybody wants to know of a model's call.</summary>
    internal static bool IsListening => Source.HasListeners() || Duration.Enabled || TimeToFirstChunk.Enabled || TokenUsage.Enabled;

    internal static ActivitySource Source { get; } = new(Name);

    internal static Histogram<double> Duration { get; } =
        Meter.CreateHistogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", tags: null, Seconds);

    internal static Histogram<double> TimeToFirstChunk { get; } = Meter.CreateHistogram(
        "gen_ai.client.operation.time_to_first_chunk", "s", "Time from the request to the first chunk of a streamed answer.", tags: null, Seconds);

    internal static Histogram<long> TokenUsage { get; } =
        Meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", tags: null, Tokens);

    /// <summary>Runs from their acceptance until their ends are stored, queued ones included.</summary>
    internal static UpDownCounter<int> ActiveRuns { get; } =
        Meter.CreateUpDownCounter<int>("aichat.runs.active", "{run}", "Runs that are queued or being answered.");
}
