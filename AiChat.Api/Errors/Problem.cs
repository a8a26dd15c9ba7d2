using AiChat.Core.Budgets;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;

namespace AiChat.Api.Errors;

/// <summary>Every error a client can see: its code, status and title in one table.</summary>
internal static class Problem
{
    public const string ValidationFailed = "validation_failed";
    public const string MalformedJson = "malformed_json";
    public const string BadRequest = "bad_request";
    public const string InvalidId = "invalid_id";
    public const string InvalidIdempotencyKey = "invalid_idempotency_key";
    public const string InvalidEventId = "invalid_event_id";
    public const string ChatNotFound = "chat_not_found";
    public const string RunNotFound = "run_not_found";
    public const string UnknownModel = "unknown_model";
    public const string MessageTooLong = "message_too_long";
    public const string UnsupportedMediaType = "unsupported_media_type";
    public const string BodyTooLarge = "body_too_large";

    private const string RouteNotFound = "route_not_found";
    private const string MethodNotAllowed = "method_not_allowed";

    private static readonly Dictionary<string, (int Status, string Title)> Kinds = new()
    {
        [MalformedJson] = (StatusCodes.Status400BadRequest, "The body is not JSON"),
        [InvalidId] = (StatusCodes.Status400BadRequest, "An id is not a UUID"),
        [InvalidIdempotencyKey] = (StatusCodes.Status400BadRequest, "The Idempotency-Key cannot be used"),
        [InvalidEventId] = (StatusCodes.Status400BadRequest, "The event id is not one of this run"),
        [BadRequest] = (StatusCodes.Status400BadRequest, "The request cannot be read"),
        [ChatNotFound] = (StatusCodes.Status404NotFound, "No such chat"),
        [RunNotFound] = (StatusCodes.Status404NotFound, "No such run"),
        [RouteNotFound] = (StatusCodes.Status404NotFound, "No such route"),
        [MethodNotAllowed] = (StatusCodes.Status405MethodNotAllowed, "The route does not take this method"),
        [RunError.ChatDeleted] = (StatusCodes.Status404NotFound, "The chat was deleted"),
        [ConflictException.ChatBusy] = (StatusCodes.Status409Conflict, "The chat is busy"),
        [ConflictException.RunNotRetryable] = (StatusCodes.Status409Conflict, "The run cannot be tried again"),
        [RunError.Cancelled] = (StatusCodes.Status409Conflict, "The run was cancelled"),
        [BodyTooLarge] = (StatusCodes.Status413PayloadTooLarge, "The body is too large"),
        [UnsupportedMediaType] = (StatusCodes.Status415UnsupportedMediaType, "The body is not of type JSON"),
        [ValidationFailed] = (StatusCodes.Status422UnprocessableEntity, "The request is not valid"),
        [UnknownModel] = (StatusCodes.Status422UnprocessableEntity, "No such model"),
        [MessageTooLong] = (StatusCodes.Status422UnprocessableEntity, "The message is too long for the model"),
        [InvalidRequestException.NothingToAnswer] = (StatusCodes.Status422UnprocessableEntity, "There is nothing to answer"),
        [IdempotencyKey.Reused] = (StatusCodes.Status422UnprocessableEntity, "The Idempotency-Key was used for another request"),
        [RunError.ProviderPromptTooLong] = (StatusCodes.Status422UnprocessableEntity, "The message is too long for the model"),
        [RunError.ProviderRejected] = (StatusCodes.Status422UnprocessableEntity, "The model provider refused the request"),
        [BudgetExceededException.BudgetExceeded] = (StatusCodes.Status429TooManyRequests, "A budget is used up"),
        [RunError.Internal] = (StatusCodes.Status500InternalServerError, "The server failed"),
        [RunError.ProviderUnavailable] = (StatusCodes.Status502BadGateway, "The model provider is unavailable"),
        [RunError.ProviderInvalidResponse] = (StatusCodes.Status502BadGateway, "The model provider sent no usable answer"),
        [RunError.ProviderUnknownModel] = (StatusCodes.Status502BadGateway, "The model provider does not have the model"),
        [WebSearchException.Failed] = (StatusCodes.Status502BadGateway, "The web could not be searched"),
        [WebSearchException.Unconfigured] = (StatusCodes.Status503ServiceUnavailable, "The web cannot be searched"),
        [RunError.ProviderUnauthorized] = (StatusCodes.Status503ServiceUnavailable, "The model provider refused the server's key"),
        [RunError.ProviderRateLimited] = (StatusCodes.Status503ServiceUnavailable, "The model provider's limit is reached"),
        [RunError.Interrupted] = (StatusCodes.Status503ServiceUnavailable, "The server stopped before the reply was whole"),
        [UnavailableException.ShuttingDown] = (StatusCodes.Status503ServiceUnavailable, "The server is shutting down"),
        [UnavailableException.DatabaseUnavailable] = (StatusCodes.Status503ServiceUnavailable, "The database is unavailable"),
        [RunError.ProviderTimeout] = (StatusCodes.Status504GatewayTimeout, "The model provider did not answer in time"),
        [RunError.RunTimeout] = (StatusCodes.Status504GatewayTimeout, "The reply took too long"),
    };

    public static ProblemResponse Of(string code, string detail, IReadOnlyDictionary<string, string[]>? errors = null)
    {
        var (status, title) = Kinds[code];
        return new ProblemResponse
        {
            Type = "urn:aichat:problem:" + code,
            Title = title,
            Status = status,
            Detail = detail,
            Code = code,
            Errors = errors,
        };
    }

    /// <summary>Not there, or somebody else's: nobody can tell which.</summary>
    public static ProblemResponse NoSuchChat() => Of(ChatNotFound, "There is no such chat of this user. Check chat_id and user_id, or list the user's chats.");

    /// <inheritdoc cref="NoSuchChat"/>
    public static ProblemResponse NoSuchRun() => Of(RunNotFound, "There is no such run of this user. Check the run's id and user_id.");

    /// <summary>A run that ended without a whole reply.</summary>
    public static ProblemResponse OfRun(RunResult result, RunError error) => Of(error.Code, error.Message) with
    {
        ChatId = result.ChatId,
        UserMessageId = result.UserMessageId,
        RunId = result.RunId,
    };

    /// <summary>Wrong fields. Malformed ids count as malformed requests (400), everything else as invalid ones (422).</summary>
    public static ProblemResponse Invalid(IReadOnlyDictionary<string, string[]> errors, string code = ValidationFailed) =>
        Of(code, string.Join(" ", errors.SelectMany(e => e.Value.Select(message => $"{e.Key} {message}."))), errors);

    public static ProblemResponse Internal() => Of(RunError.Internal, "The server failed because of a defect of its own. Try again, and report the trace id if it goes on.");

    /// <summary>A body for an answer the framework leaves empty.</summary>
    public static ProblemResponse OfStatus(int status, HttpRequest request) => status switch
    {
        StatusCodes.Status404NotFound => Of(RouteNotFound, $"There is nothing at {request.Path}. All routes are listed at /docs."),
        StatusCodes.Status405MethodNotAllowed => Of(MethodNotAllowed, $"{request.Path} does not take {request.Method}. The Allow header and /docs list what it takes."),
        StatusCodes.Status413PayloadTooLarge => Of(BodyTooLarge, "The body is larger than this server accepts (Http:MaxBodyBytes). Send less at once."),
        StatusCodes.Status415UnsupportedMediaType => Of(UnsupportedMediaType, "Send JSON, and say so in the header Content-Type: application/json."),
        >= StatusCodes.Status500InternalServerError => Internal(),
        _ => Of(BadRequest, "The request cannot be read. Check its headers, its length and its encoding.") with { Status = status },
    };
}
