using System.Globalization;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>How a message is sent.</summary>
internal enum SendKind
{
    /// <summary>Streaming, with an idempotency key.</summary>
    KeyedStream,
    /// <summary>Streaming, without a key.</summary>
    Stream,
    /// <summary>Waiting for the whole reply, with an idempotency key.</summary>
    KeyedWait,
}

/// <summary>One message of a client, and everything the client has learnt about it.</summary>
internal sealed class ChaosSend
{
    /// <summary>The message's first word, by which the model and the checks know it.</summary>
    public required string Tag { get; init; }

    public required SendKind Kind { get; init; }

    /// <summary>Null for a message that makes its own chat, until the client has learnt which.</summary>
    public required string? ChatId { get; set; }

    /// <summary>It names no chat, so that one is made for it.</summary>
    public required bool MakesChat { get; init; }

    /// <summary>Messages of one wave are sent at the same time, those of a later one after the end of all of them.</summary>
    public required int Wave { get; init; }

    /// <summary>Multi-byte, with a line break and a space at its end.</summary>
    public string Message => $"{Tag} say something 😀\r\nplease ";

    public string? Key => Kind == SendKind.Stream ? null : $"key-{Tag}";

    /// <summary>What the client has of the stream; empty for one that waits.</summary>
    public RunTranscript Transcript { get; } = new();

    /// <summary>The client has the head of an answer: the message must be stored.</summary>
    public bool IsAccepted { get; set; }

    /// <summary>The connection was lost before an answer and there is no key to ask again with: it may be stored or not.</summary>
    public bool IsLost { get; set; }

    /// <summary>A violation made it pointless to go on; nothing more is expected of it.</summary>
    public bool IsGivenUp { get; set; }

    /// <summary>The process the client asked last about it.</summary>
    public ChaosNode? Visited { get; set; }

    public string? RunId { get; set; }

    /// <summary>The reply of one that waits; null when it got an error.</summary>
    public string? Reply { get; set; }

    /// <summary>How the client was told that the run ended; null when it was not.</summary>
    public string? ToldStatus { get; set; }

    /// <summary>The final status in the answer to a cancel; null when there was no such answer.</summary>
    public string? CancelStatus { get; set; }

    /// <summary>How often the message was on its way to the server.</summary>
    public int Posts { get; set; }

    /// <summary>A cancel was on its way to the server at least once.</summary>
    public bool IsCancelAsked { get; set; }

    /// <summary>How many retries of the run were on their way to the server.</summary>
    public int RetriesAsked { get; set; }

    /// <summary>How often the model had been asked when the client saw the end.</summary>
    public int CallsAtEnd { get; set; }

    /// <summary>The server's epoch when the message was sent, and when the client had its end.</summary>
    public int FirstEpoch { get; set; }

    /// <inheritdoc cref="FirstEpoch"/>
    public int? LastEpoch { get; set; }

    public override string ToString() => $"{Tag} ({Kind}, chat {ChatId ?? "unknown"}, run {RunId ?? "unknown"}, epochs {FirstEpoch}–{LastEpoch?.ToString(CultureInfo.InvariantCulture) ?? "now"})";
}
