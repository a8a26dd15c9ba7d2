using System.Collections.Concurrent;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>
/// The model behind the server: to every message it has exactly one reply, made of what breaks careless code, and it says it slowly, in
/// pieces whose bytes arrive split anywhere. It knows how often it was asked for each.
/// </summary>
internal sealed class ChaosModel(int seed)
{
    private const int LongestPause = 25;
    private const int FewestPieces = 3;
    private const int MostPieces = 60;

    private static readonly JsonSerializerOptions Raw = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Pairs of surrogates, joined emoji, line ends of all kinds, spaces that must stay, and what looks like the protocol.</summary>
    private static readonly string[] Fragments =
    [
        " word", "word ", " é", "日本語", "😀", "👩‍👩‍👧‍👦", "\r\n", "\n", "\r", "\n\n", "\t", "  ",
        "data: x\n\n", "event: run.completed\n", "id: 1:2\n", ": keep-alive\n\n", "\"quoted\\\"", "\\u0041", "<b>&amp;</b>", "\u2028", "\uFEFF", "[DONE]", "{\"offset\":0}", "e\u0301", "𝒳",
    ];

    private readonly ConcurrentDictionary<string, int> calls = new();

    /// <summary>How often the model was asked to answer this message.</summary>
    public int CallsFor(string tag) => calls.GetValueOrDefault(tag);

    /// <summary>The whole reply to the message with this tag. Every piece carries its number, so that no two places are alike.</summary>
    public string ReplyTo(string tag) => string.Concat(PiecesFor(tag));

    public LlmReply Answer(LlmRequest request)
    {
        var tag = request.LastUserMessage.Split(' ')[0];
        var call = calls.AddOrUpdate(tag, 1, (_, count) => count + 1);
        var random = NewRandom($"{tag} call {call}");
        var pieces = GoOn(PiecesFor(tag), request.Messages[^1]);
        return request.IsStream
            ? Stream(pieces, random)
            : LlmReplies.Delayed(TimeSpan.FromMilliseconds(random.Next(600)), LlmReplies.Answer(string.Concat(pieces)));
    }

    /// <summary>What is left to say when the reply has been begun; a beginning that is not one is answered with what gives it away.</summary>
    private static List<string> GoOn(List<string> pieces, LlmMessage last)
    {
        if (last.Role != "assistant")
            return pieces;
        var whole = string.Concat(pieces);
        return whole.StartsWith(last.Content, StringComparison.Ordinal)
            ? [.. whole[last.Content.Length..].EnumerateRunes().Chunk(5).Select(runes => string.Concat(runes))]
            : [$"<{last.Content} is no beginning of the reply>"];
    }

    private static LlmReply Stream(IReadOnlyList<string> pieces, Random random) => async call =>
    {
        call.Response.ContentType = "text/event-stream";
        await PauseAsync(call, random);
        foreach (var piece in pieces)
        {
            var bytes = Encoding.UTF8.GetBytes(LlmReplies.Event(ToChunk(piece)));
            var half = random.Next(bytes.Length);
            await call.SendAsync(bytes.AsMemory(0, half));
            await PauseAsync(call, random);
            await call.SendAsync(bytes.AsMemory(half));
        }

        await PauseAsync(call, random);
        await call.SendAsync(LlmReplies.Event(LlmReplies.FinishChunk(call.Request.Model, "stop")));
        await call.SendAsync(LlmReplies.Event(LlmReplies.UsageChunk(call.Request.Model, 11, 7)) + LlmReplies.Done);
    };

    /// <summary>A model that is sometimes quick and sometimes not; two in three pieces come at once.</summary>
    private static Task PauseAsync(LlmCall call, Random random) =>
        random.Next(3) == 0 ? Task.Delay(random.Next(LongestPause + 1), call.Aborted) : Task.CompletedTask;

    /// <summary>In plain UTF-8, where <see cref="LlmReplies.Chunk"/> would escape.</summary>
    private static string ToChunk(string text) =>
        $$$"""{"choices":[{"index":0,"delta":{"content":{{{JsonSerializer.Serialize(text, Raw)}}}},"finish_reason":null}]}""";

    private List<string> PiecesFor(string tag)
    {
        var random = NewRandom(tag);
        var pieces = new List<string>();
        var count = random.Next(FewestPieces, MostPieces + 1);
        for (var i = 0; i < count; i++)
            pieces.Add($"{Fragments[random.Next(Fragments.Length)]}{i}{Fragments[random.Next(Fragments.Length)]}");
        return pieces;
    }

    /// <summary>The same for the same name in every process, unlike <see cref="string.GetHashCode()"/>.</summary>
    private Random NewRandom(string name) => new(name.Aggregate(seed, (hash, c) => unchecked((hash * 31) + c)));
}
