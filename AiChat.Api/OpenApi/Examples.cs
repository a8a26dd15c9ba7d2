using System.Text.Json;
using System.Text.Json.Nodes;
using AiChat.Api.Chats;
using AiChat.Api.Configuration;
using AiChat.Api.Errors;
using AiChat.Api.Health;
using AiChat.Api.Json;
using AiChat.Api.Models;
using AiChat.Api.Runs;
using AiChat.Api.Usage;
using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using Microsoft.OpenApi;

namespace AiChat.Api.OpenApi;

/// <summary>
/// Everything the document shows as an example: one chat about a trip, from its creation to its messages. Made from the contracts and from
/// the server's own error texts, so that a change of those shows here.
/// </summary>
internal static class Examples
{
    public const string UserId = "alice";
    public const string ChatId = "0199c0de-5a10-7c3e-9d4b-3f6a2b8c1d0e";
    public const string RunId = "0199c0de-8f21-7a54-a0b1-c2d3e4f5a6b7";
    public const string EventId = RunId + ":46";
    public const string Key = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    public const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// <summary>The example of a wrong query; its code is <see cref="Problem.ValidationFailed"/>.</summary>
    public const string InvalidQuery = "invalid_query";

    /// <summary>The example of a wrong id in the path; its code is <see cref="Problem.InvalidId"/>.</summary>
    public const string InvalidPathId = "invalid_path_id";

    private const string MustBeUuid = "must be a UUID, such as 0199c0de-0000-7000-8000-000000000000";
    public const string UserMessageId = "0199c0de-8f21-7a55-b1c2-7d8e9f0a1b2c";
    public const string AssistantMessageId = "0199c0de-8f21-7a56-8e3f-1a2b3c4d5e6f";
    private const string Provider = "groq";
    private const string FastModel = "openai/gpt-oss-20b";
    private const string SmartModel = "openai/gpt-oss-120b";
    public const string Question = "Which three places should I see on one day in Rome?";
    public const string Reply = "The Colosseum in the morning, the Pantheon at noon, and the Trevi Fountain in the evening.";

    public static readonly DateTimeOffset Created = new(2026, 3, 14, 9, 26, 53, 589, TimeSpan.Zero);
    public static readonly DateTimeOffset Sent = Created.AddSeconds(13.5);
    public static readonly DateTimeOffset Answered = Sent.AddMilliseconds(743);

    private static readonly ChatResponse Chat = new()
    {
        Id = ChatId,
        UserId = UserId,
        Title = "Trip to Rome",
        Name = "Trip to Rome",
        Model = "fast",
        SystemPrompt = "You are a travel guide. Answer in one sentence.",
        Metadata = new RawJson("""{"customer":4711}"""),
        MessageCount = 2,
        CreatedAt = Created,
        UpdatedAt = Answered,
    };

    private static readonly MessageResponse UserMessage = new()
    {
        Id = UserMessageId,
        ChatId = ChatId,
        Sequence = 1,
        Role = MessageRole.User,
        Content = Question,
        Status = MessageStatus.Completed,
        CreatedAt = Sent,
        UpdatedAt = Sent,
    };

    private static readonly MessageResponse AssistantMessage = UserMessage with
    {
        Id = AssistantMessageId,
        Sequence = 2,
        Role = MessageRole.Assistant,
        Content = Reply,
        Model = FastModel,
        RunId = RunId,
        UpdatedAt = Answered,
    };

    private static readonly SendResponse Completed = new()
    {
        Reply = Reply,
        ChatId = ChatId,
        MessageId = AssistantMessageId,
        UserMessageId = UserMessageId,
        RunId = RunId,
        Model = FastModel,
        Provider = Provider,
        Usage = new UsageResponse { InputTokens = 92, OutputTokens = 21, Estimated = false },
        FinishReason = "stop",
        CreatedAt = Answered,
    };

    private static readonly RunResponse Run = new()
    {
        Id = RunId,
        ChatId = ChatId,
        UserMessageId = UserMessageId,
        MessageId = AssistantMessageId,
        Status = RunStatus.Completed,
        Alias = "fast",
        Model = FastModel,
        Provider = Provider,
        Usage = Completed.Usage,
        Cost = 0.0000197m,
        FinishReason = Completed.FinishReason,
        Attempts =
        [
            new AttemptResponse
            {
                Attempt = 1,
                Status = RunStatus.Completed,
                Model = FastModel,
                Provider = Provider,
                Usage = Completed.Usage,
                Cost = 0.0000197m,
                Reply = Reply,
                StartedAt = Sent,
                FirstTokenAt = Sent.AddMilliseconds(212),
                CompletedAt = Answered,
            },
        ],
        CreatedAt = Sent,
        StartedAt = Sent,
        FirstTokenAt = Sent.AddMilliseconds(212),
        CompletedAt = Answered,
    };

    private static readonly ReadyResponse Ready = new()
    {
        Status = "healthy",
        Database = "ok",
        Models =
        [
            OfReadyModel("fast", FastModel, "gpt-5-mini"),
            OfReadyModel("smart", SmartModel, "gpt-5"),
        ],
    };

    private static readonly UsageReportResponse Usage = new()
    {
        From = new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero),
        To = new DateTimeOffset(2026, 4, 1, 0, 0, 0, TimeSpan.Zero),
        Total = new UsageSumsResponse
        {
            Attempts = 42,
            InputTokens = 38_211,
            OutputTokens = 9_405,
            CachedTokens = 12_288,
            ReasoningTokens = 1_730,
            EstimatedAttempts = 1,
            EstimatedInputTokens = 92,
            EstimatedOutputTokens = 10,
            UnpricedAttempts = 0,
            Cost = 0.00568065m,
        },
        Groups =
        [
            new UsageGroupResponse
            {
                Provider = Provider,
                Model = FastModel,
                Attempts = 42,
                InputTokens = 38_211,
                OutputTokens = 9_405,
                CachedTokens = 12_288,
                ReasoningTokens = 1_730,
                EstimatedAttempts = 1,
                EstimatedInputTokens = 92,
                EstimatedOutputTokens = 10,
                UnpricedAttempts = 0,
                Cost = 0.00568065m,
            },
        ],
        NextCursor = null,
    };

    /// <summary>The same as a table.</summary>
    public static string UsageTable => UsageCsvResult.ToText(Usage, "model");

    /// <summary>Every problem a route declares, in the order of the statuses.</summary>
    public static IReadOnlyList<ProblemExample> Problems { get; } =
    [
        Of(RequestBodyException.Malformed().Problem),
        Of(OfStatus(StatusCodes.Status400BadRequest)),
        Of(Problem.Invalid(Field("id", MustBeUuid), Problem.InvalidId) with { Places = At("id", FieldPlace.Path) }) with { Name = InvalidPathId },
        Of(Problem.Invalid(Field("chat_id", MustBeUuid + "; leave it out for a new chat"), Problem.InvalidId)),
        Of(Problem.Invalid(
            Field(IdempotencyKey.Header, "must be one text of 1 to 255 visible ASCII characters, such as a UUID"), Problem.InvalidIdempotencyKey)),
        Of(Problem.Invalid(Field("after", "must be the id of an event of this run, or the number behind its colon"), Problem.InvalidEventId)),
        Of(Problem.NoSuchChat()),
        Of(Problem.NoSuchRun()),
        OfRun(RunError.ForDeletedChat()),
        Of(Problem.Of(ConflictException.ChatBusy, ConflictException.ChatBusyMessage) with { RunId = RunId }) with { HasRetryAfter = true },
        Of(Problem.Of(ConflictException.RunNotRetryable, ConflictException.RunNotRetryableMessage) with { RunId = RunId }),
        OfRun(RunError.ForCancel()),
        Of(OfStatus(StatusCodes.Status413PayloadTooLarge)),
        Of(OfStatus(StatusCodes.Status415UnsupportedMediaType)),
        Of(Problem.Invalid(Field("user_id", "must not be empty; leave it out for the default user"))),
        Of(Problem.Invalid(Field("user_id", "must be one text of 1 to 256 characters; leave it out for the default user"))
            with { Places = At("user_id", FieldPlace.Query) }) with { Name = InvalidQuery },
        Of(Problem.Invalid(Field("model", "must be one of: fast, smart"), Problem.UnknownModel)),
        Of(Problem.Of(Problem.MessageTooLong, TooLong, Field("message", TooLong))),
        Of(Problem.Of(IdempotencyKey.Reused, IdempotencyKey.ReusedMessage, Field(IdempotencyKey.Header, IdempotencyKey.ReusedMessage))),
        Of(Problem.Of(InvalidRequestException.NothingToAnswer, InvalidRequestException.NothingToAnswerMessage, Field("id", InvalidRequestException.NothingToAnswerMessage))),
        OfRun(ProviderError.Rejected),
        Of(Problem.Of(BudgetExceededException.BudgetExceeded, OverBudget.Message)) with { HasRetryAfter = true },
        Of(Problem.Internal()),
        OfRun(ProviderError.Unavailable),
        OfRun(ProviderError.InvalidResponse),
        Of(Problem.Of(WebSearchException.Failed, "The search engine did not answer. Send again later, or without the web search.")),
        Of(Problem.Of(WebSearchException.Unconfigured, "No search engine is configured. The operator has to set one up; until then, send without the web search.")),
        OfRun(ProviderError.Unauthorized),
        OfRun(ProviderError.RateLimited),
        OfRun(RunError.ForShutdown()),
        Of(UnavailableException.ForShutdown()),
        Of(UnavailableException.ForDatabase(new IOException())),
        OfRun(ProviderError.Timeout),
        OfRun(RunError.ForTimeout()),
    ];

    /// <summary>The events of a stream, in the order a client may see them.</summary>
    public static IReadOnlyList<EventExample> Events { get; } =
    [
        new(RunEventWriter.Started, "First: the ids of everything", new RunStartedEvent
        {
            RunId = RunId, ChatId = ChatId, UserMessageId = UserMessageId, MessageId = AssistantMessageId, Model = FastModel, Provider = Provider, Attempt = 1,
        }),
        new(RunEventWriter.Source, "A page of the web the reply is based on; only with web_search, and before the text", new SourceResponse
        {
            Number = 1,
            Url = "https://www.example.com/rome",
            Title = "Rome in one day",
            Excerpt = "Begin at the Colosseum, which opens at half past eight.",
        }),
        new(RunEventWriter.Delta, "More text", new MessageDeltaEvent { Text = Reply[..30], Offset = 0 }),
        new(RunEventWriter.Continued, "The server was restarted and goes on (only with Runs:OnRestart Continue)", new RunContinuedEvent { Attempt = 2, Offset = 30 }),
        new(RunEventWriter.Snapshot, "The whole reply so far, in place of what the client has", new RunSnapshotEvent { RunId = RunId, Text = Reply[..30] }),
        new(RunEventWriter.Completed, "Last: the reply is whole", Completed),
        new(RunEventWriter.Failed, "Last: no reply came", OfRun(ProviderError.Unavailable).Problem),
        new(RunEventWriter.Cancelled, "Last: somebody cancelled the run", BrokenOff(RunError.ForCancel())),
        new(RunEventWriter.Incomplete, "Last: the reply was broken off", BrokenOff(RunError.ForShutdown())),
    ];

    private static BudgetExceededException OverBudget
    {
        get
        {
            var state = new BudgetState(BudgetWindow.At(Sent, BudgetScope.User, UserId, BudgetPeriod.Minute), BudgetUnit.Requests, Limit: 3, Left: 0, Needed: 1);
            return new BudgetExceededException(state, [state]);
        }
    }

    private static string TooLong =>
        "The message and the system prompt need about 140000 tokens, but the model takes 130048 beside the answer. "
        + "Shorten them, lower max_tokens, or ask for a model with a larger window.";

    /// <summary>What may be sent. Written as JSON: a field that is left out is not the same as one that is null.</summary>
    public static IReadOnlyList<RequestExample> OfRequest(Type type) => type.Name switch
    {
        nameof(CreateChatRequest) =>
        [
            new("named", "A chat with everything set", """
                {
                  "user_id": "alice", "title": "Trip to Rome", "model": "fast",
                  "system_prompt": "You are a travel guide. Answer in one sentence.", "metadata": { "customer": 4711 }
                }
                """),
            new("empty", "A chat of the default user, with nothing set", "{}"),
        ],
        nameof(UpdateChatRequest) =>
        [
            new("rename", "Give the chat another title; everything else stays", """{ "title": "A day in Rome" }"""),
            new("reset", "Go back to the server's default model and drop the metadata", """{ "model": null, "metadata": null }"""),
        ],
        nameof(SendRequest) =>
        [
            new("first", "The first message: a chat is created for it", $$"""
                { "user_id": "{{UserId}}", "message": "{{Question}}", "model": "fast" }
                """),
            new("next", "The next message of a chat", $$"""
                { "chat_id": "{{ChatId}}", "user_id": "{{UserId}}", "message": "Where do I eat?", "temperature": 0.7, "max_tokens": 300 }
                """),
        ],
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, $"{nameof(Examples)} has no request of this type."),
    };

    /// <summary>What is answered.</summary>
    public static JsonNode OfAnswer(Type type, int status)
    {
        if (type == typeof(ReadyResponse) && status == StatusCodes.Status503ServiceUnavailable)
            return ToJson(Ready with { Status = "unhealthy", Database = "the database takes no writes; its disk may be full or failing" });
        return ToJson(Array.Find(Answers, type.IsInstanceOfType)
            ?? throw new ArgumentOutOfRangeException(nameof(type), type, $"{nameof(Examples)} has no answer of this type."));
    }

    public static JsonNode ToJson(object value) => JsonSerializer.SerializeToNode(value, value.GetType(), JsonSetup.Options)!;

    private static object[] Answers =>
    [
        Chat,
        new ChatListResponse { Chats = [Chat], NextCursor = null, Total = 1 },
        new[] { UserMessage, AssistantMessage },
        Completed,
        Run,
        new ModelListResponse { Models = [OfModel("fast", FastModel, "gpt-5-mini"), OfModel("smart", SmartModel, "gpt-5")] },
        new RootResponse { Message = "AiChat is running.", Version = Banner.Version, Docs = "/docs" },
        new HealthResponse { Status = "healthy" },
        Ready,
        Usage,
    ];

    private static ModelResponse OfModel(string name, string active, string other) => new()
    {
        Name = name,
        Provider = Provider,
        Model = active,
        Candidates =
        [
            new ModelCandidateResponse
            {
                Provider = Provider,
                Model = active,
                ContextWindow = 131_072,
                MaxOutputTokens = 65_536,
                InputPrice = 0.1m,
                OutputPrice = 0.5m,
                Usable = true,
                Active = true,
                State = CandidateState.Closed,
                Since = Created,
                TimeToFirstTokenMs = 212,
            },
            new ModelCandidateResponse
            {
                Provider = "openai",
                Model = other,
                ContextWindow = 400_000,
                Usable = false,
                MissingSetting = "OPENAI_API_KEY",
                Active = false,
                State = CandidateState.NoKey,
                Since = Created,
            },
        ],
    };

    private static ReadyModelResponse OfReadyModel(string name, string active, string other) => new()
    {
        Name = name,
        Provider = Provider,
        Model = active,
        Candidates =
        [
            new ReadyCandidateResponse
            {
                Provider = Provider, Model = active, Active = true, State = CandidateState.Closed, Since = Created, TimeToFirstTokenMs = 212,
            },
            new ReadyCandidateResponse
            {
                Provider = "openai", Model = other, Active = false, State = CandidateState.NoKey, Since = Created, Cure = "Set OPENAI_API_KEY.",
            },
        ],
    };

    private static ProblemExample Of(ProblemResponse problem) => new(problem.Code, problem with { TraceId = TraceId });

    private static ProblemExample Of(UnavailableException failure) =>
        Of(Problem.Of(failure.Code, failure.Message)) with { HasRetryAfter = true };

    private static ProblemExample OfRun(ProviderError error) => OfRun(RunError.From(new ProviderException(Provider, error, "")));

    private static ProblemExample OfRun(RunError error)
    {
        var problem = Problem.Of(error.Code, error.Message) with { ChatId = ChatId, UserMessageId = UserMessageId, RunId = RunId };
        return Of(problem) with { HasRetryAfter = error.RetryAfter is not null };
    }

    private static RunBrokenOffEvent BrokenOff(RunError error) => new()
    {
        Reply = Reply[..30],
        ChatId = ChatId,
        MessageId = AssistantMessageId,
        UserMessageId = UserMessageId,
        RunId = RunId,
        Model = FastModel,
        Provider = Provider,
        Usage = new UsageResponse { InputTokens = 92, OutputTokens = 10, Estimated = true },
        Error = error.ToResponse(),
        CreatedAt = Answered,
    };

    private static ProblemResponse OfStatus(int status) => Problem.OfStatus(status, new DefaultHttpContext().Request);

    private static Dictionary<string, string[]> Field(string name, string problem) => new() { [name] = [problem] };

    private static Dictionary<string, FieldPlace> At(string name, FieldPlace place) => new() { [name] = place };
}

/// <summary>A body to send.</summary>
internal sealed record RequestExample(string Name, string Summary, string Json)
{
    public OpenApiExample ToOpenApi() => new() { Summary = Summary, Value = JsonNode.Parse(Json) };
}

/// <summary>The data of an event.</summary>
internal sealed record EventExample(string Name, string Summary, object Data);

/// <summary>A problem, named by its code where that is enough.</summary>
internal sealed record ProblemExample(string Name, ProblemResponse Problem)
{
    /// <summary>Whether such an answer says when to try again.</summary>
    public bool HasRetryAfter { get; init; }

    public OpenApiExample ToOpenApi() => new() { Summary = Problem.Title, Value = Examples.ToJson(Problem) };
}
