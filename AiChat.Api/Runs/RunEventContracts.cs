using System.Text.Json.Serialization;
using AiChat.Api.Chats;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>Data of <c>run.started</c>: an attempt begins. A client that had text of this run empties it.</summary>
public sealed record RunStartedEvent
{
    /// <summary>The run.</summary>
    public required string RunId { get; init; }

    /// <summary>The chat.</summary>
    public required string ChatId { get; init; }

    /// <summary>The stored message of the user.</summary>
    public required string UserMessageId { get; init; }

    /// <summary>The reply that is being written.</summary>
    public required string MessageId { get; init; }

    /// <summary>The model that answers, as its provider names it.</summary>
    public required string Model { get; init; }

    /// <summary>The provider that answers.</summary>
    public required string Provider { get; init; }

    /// <summary>1 for the first attempt.</summary>
    public required int Attempt { get; init; }
}

/// <summary>Data of <c>message.delta</c>: more text of the reply.</summary>
public sealed record MessageDeltaEvent
{
    /// <summary>The text.</summary>
    public required string Text { get; init; }

    /// <summary>How much of the reply came before, in UTF-16 code units (the <c>length</c> of a JavaScript string).</summary>
    public required int Offset { get; init; }
}

/// <summary>Data of <c>run.continued</c>: a model broke off, or the server was restarted, and another attempt goes on behind this text.</summary>
public sealed record RunContinuedEvent
{
    /// <summary>The attempt that goes on.</summary>
    public required int Attempt { get; init; }

    /// <summary>How much of the reply came before, in UTF-16 code units.</summary>
    public required int Offset { get; init; }
}

/// <summary>Data of <c>run.snapshot</c>: the whole reply so far, in place of everything the client has.</summary>
public sealed record RunSnapshotEvent
{
    /// <summary>The run.</summary>
    public required string RunId { get; init; }

    /// <summary>The reply so far.</summary>
    public required string Text { get; init; }

    /// <summary>The pages of the web it is based on; absent when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<SourceResponse>? Sources { get; init; }
}

/// <summary>Data of <c>run.cancelled</c> and <c>run.incomplete</c>: the reply ends before it is whole.</summary>
public sealed record RunBrokenOffEvent
{
    /// <summary>What had been written.</summary>
    public required string Reply { get; init; }

    /// <summary>The chat.</summary>
    public required string ChatId { get; init; }

    /// <summary>The stored reply.</summary>
    public required string MessageId { get; init; }

    /// <summary>The stored message of the user.</summary>
    public required string UserMessageId { get; init; }

    /// <summary>The run.</summary>
    public required string RunId { get; init; }

    /// <summary>The model that answered, as its provider names it.</summary>
    public required string Model { get; init; }

    /// <summary>The provider that answered.</summary>
    public required string Provider { get; init; }

    /// <summary>What was used; absent when it is not known, or nothing was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageResponse? Usage { get; init; }

    /// <summary>The pages of the web it is based on; absent when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<SourceResponse>? Sources { get; init; }

    /// <summary>Why the reply is not whole.</summary>
    public required RunErrorResponse Error { get; init; }

    /// <summary>When it ended.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

internal static class RunEventMapper
{
    public static RunStartedEvent ToResponse(this RunStarted started) => new()
    {
        RunId = started.RunId,
        ChatId = started.ChatId,
        UserMessageId = started.UserMessageId,
        MessageId = started.AssistantMessageId,
        Model = started.Model,
        Provider = started.Provider,
        Attempt = started.Attempt,
    };

    public static RunSnapshotEvent ToResponse(this RunSnapshot snapshot, string runId) =>
        new() { RunId = runId, Text = snapshot.Text, Sources = snapshot.Sources.ToResponse() };

    public static RunBrokenOffEvent ToBrokenOff(this RunResult result) => new()
    {
        Reply = result.Reply,
        ChatId = result.ChatId,
        MessageId = result.AssistantMessageId,
        UserMessageId = result.UserMessageId,
        RunId = result.RunId,
        Model = result.Model,
        Provider = result.Provider,
        Usage = result.Usage?.ToResponse(),
        Sources = result.Sources.ToResponse(),
        Error = result.Error!.ToResponse(),
        CreatedAt = result.CompletedAt,
    };
}
