using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Runs;

/// <summary>A message to the model.</summary>
public sealed record SendRequest
{
    /// <summary>The chat it belongs to; a new one is made when left out.</summary>
    public string? ChatId { get; init; }

    /// <summary>The owner of the chat; <c>default</c> when left out.</summary>
    [StringLength(TextRules.LongestUserId, MinimumLength = 1), DefaultValue(UserIdAttribute.Default)]
    public string? UserId { get; init; }

    /// <summary>What the user says.</summary>
    [Required, StringLength(SendLimits.LongestMessage, MinimumLength = 1)]
    public string? Message { get; init; }

    /// <summary>The alias to answer; left out for the chat's own, else <c>fast</c>.</summary>
    public string? Model { get; init; }

    /// <summary>How freely the model chooses its words, 0 to 2; left out for the model's own setting.</summary>
    [Range(SendLimits.LowestTemperature, SendLimits.HighestTemperature)]
    public double? Temperature { get; init; }

    /// <summary>The longest reply, in tokens.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxTokens { get; init; }

    /// <summary>Whether the web is searched for the reply, which then names its sources.</summary>
    [DefaultValue(false)]
    public bool WebSearch { get; init; }

    /// <summary>
    /// Whether the reply comes as server-sent events while it is written; left out, the header <c>Accept: text/event-stream</c> asks for it.
    /// </summary>
    public bool? Stream { get; init; }

    /// <summary>
    /// What to do while the chat still answers another message: <c>queue</c> waits for its turn, <c>reject</c> is refused with 409
    /// <c>chat_busy</c>, <c>interrupt</c> cancels the running reply first.
    /// </summary>
    [AllowedValues("queue", "reject", "interrupt"), DefaultValue("queue")]
    public string? OnBusy { get; init; }
}

/// <summary>How to try a run again.</summary>
public sealed record RetryRunQuery
{
    /// <summary>Whether the reply comes as server-sent events; left out, the header <c>Accept: text/event-stream</c> asks for it.</summary>
    [FromQuery(Name = "stream"), AllowedValues("true", "false")]
    public string? Stream { get; init; }

    /// <summary>What to do while the chat still answers another message: <c>queue</c>, <c>reject</c> or <c>interrupt</c>.</summary>
    [FromQuery(Name = "on_busy"), AllowedValues("queue", "reject", "interrupt"), DefaultValue("queue")]
    public string? OnBusy { get; init; }
}

/// <summary>The reply to a message.</summary>
public sealed record SendResponse
{
    /// <summary>What the model says.</summary>
    public required string Reply { get; init; }

    /// <summary>The chat.</summary>
    public required string ChatId { get; init; }

    /// <summary>The stored reply.</summary>
    public required string MessageId { get; init; }

    /// <summary>The stored message of the user.</summary>
    public required string UserMessageId { get; init; }

    /// <summary>The run that made the reply.</summary>
    public required string RunId { get; init; }

    /// <summary>The model that answered, as its provider names it.</summary>
    public required string Model { get; init; }

    /// <summary>The provider that answered.</summary>
    public required string Provider { get; init; }

    /// <summary>What was used.</summary>
    public required UsageResponse Usage { get; init; }

    /// <summary>The pages of the web the reply is based on; absent when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<SourceResponse>? Sources { get; init; }

    /// <summary>Why the model stopped: <c>stop</c>, <c>length</c> (the longest reply was reached), <c>content_filter</c>.</summary>
    public required string FinishReason { get; init; }

    /// <summary>When the reply was whole.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Tokens of one reply.</summary>
public sealed record UsageResponse
{
    /// <summary>Tokens of the prompt.</summary>
    public required int InputTokens { get; init; }

    /// <summary>Tokens of the reply.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>Whether the provider reported none and they are an estimate.</summary>
    public required bool Estimated { get; init; }
}

internal static class SendMapper
{
    public static SendCommand ToCommand(this SendRequest request, string? idempotencyKey) => new()
    {
        UserId = request.UserId ?? UserIdAttribute.Default,
        ChatId = request.ChatId is null ? null : Guid.Parse(request.ChatId).ToString(),
        Message = request.Message!,
        Model = request.Model,
        Temperature = request.Temperature,
        MaxTokens = request.MaxTokens,
        WebSearch = request.WebSearch,
        OnBusy = ToOnBusy(request.OnBusy),
        IdempotencyKey = idempotencyKey,
    };

    public static RetryCommand ToCommand(this RetryRunQuery query, string userId, Guid runId, string? idempotencyKey) => new()
    {
        UserId = userId,
        RunId = runId.ToString(),
        OnBusy = ToOnBusy(query.OnBusy),
        IdempotencyKey = idempotencyKey,
    };

    public static SendResponse ToResponse(this RunResult result) => new()
    {
        Reply = result.Reply,
        ChatId = result.ChatId,
        MessageId = result.AssistantMessageId,
        UserMessageId = result.UserMessageId,
        RunId = result.RunId,
        Model = result.Model,
        Provider = result.Provider,
        Usage = result.Usage!.Value.ToResponse(),
        Sources = result.Sources.ToResponse(),
        FinishReason = result.FinishReason!,
        CreatedAt = result.CompletedAt,
    };

    public static UsageResponse ToResponse(this TokenUsage usage) => new()
    {
        InputTokens = usage.InputTokens,
        OutputTokens = usage.OutputTokens,
        Estimated = usage.IsEstimated,
    };

    private static OnBusy ToOnBusy(string? name) => name is null ? OnBusy.Queue : Enum.Parse<OnBusy>(name, ignoreCase: true);
}
