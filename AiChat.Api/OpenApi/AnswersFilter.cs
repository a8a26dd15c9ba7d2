using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using AiChat.Api.Budgets;
using AiChat.Api.Errors;
using AiChat.Api.Runs;
using AiChat.Api.Usage;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc.ApiExplorer;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.Net.Http.Headers;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>Completes every operation: examples of what goes in and out, every problem it may answer with, and headers.</summary>
internal sealed class AnswersFilter(IEnumerable<DialectExamples> dialects) : IOperationFilter
{
    private const string Json = "application/json";
    private const string TableDescription = "A table (RFC 4180): a line with the names of the columns, then the rows.";
    private const string NotHttp = "The request is not well-formed HTTP. The connection is closed; there is no body and no request id.";

    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        var route = context.ApiDescription;
        // Empty, not absent: it says that the call needs no authentication.
        operation.Security = [];
        CompleteRequest(operation, context);
        if (context.MethodInfo.IsDefined(typeof(EventStreamAttribute)))
            AddEvents(operation.Responses!["200"], context);
        if (context.MethodInfo.IsDefined(typeof(CsvTableAttribute)))
            AddText(operation.Responses!["200"], UsageCsvResult.ContentType, TableDescription, Examples.UsageTable);
        foreach (var text in context.MethodInfo.GetCustomAttributes<TextAnswerAttribute>())
            AddText(operation.Responses!["200"], text.ContentType, text.Description, text.Example);
        foreach (var answer in route.SupportedResponseTypes)
            CompleteSuccess(operation.Responses![ToKey(answer.StatusCode)], answer, context);
        var shape = route.ActionDescriptor.EndpointMetadata.OfType<IErrorBody>().LastOrDefault();
        foreach (var problems in FindProblems(route).GroupBy(p => shape?.ToAnswer(p.Problem).Status ?? p.Problem.Status))
            operation.Responses![ToKey(problems.Key)] = ToResponse([.. problems], shape, context);
        if (!operation.Responses!.ContainsKey("400"))
            operation.Responses["400"] = new OpenApiResponse { Description = NotHttp };
        operation.Responses = Sort(operation.Responses);
    }

    private void CompleteRequest(OpenApiOperation operation, OperationFilterContext context)
    {
        if (context.ApiDescription.ParameterDescriptions.FirstOrDefault(p => p.Source == BindingSource.Body) is not { Type: var type } body)
            return;

        operation.RequestBody = new OpenApiRequestBody
        {
            Required = body.IsRequired,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [Json] = new()
                {
                    Schema = context.SchemaGenerator.GenerateSchema(type, context.SchemaRepository),
                    Examples = FindRequests(type).ToDictionary(e => e.Name, e => (IOpenApiExample)e.ToOpenApi()),
                },
            },
        };
    }

    private IReadOnlyList<RequestExample> FindRequests(Type type) =>
        dialects.Select(d => d.Requests.GetValueOrDefault(type)).FirstOrDefault(r => r is not null) ?? Examples.OfRequest(type);

    private JsonNode FindAnswer(Type type, int status) =>
        dialects.SelectMany(d => d.Answers).FirstOrDefault(type.IsInstanceOfType) is { } answer ? Examples.ToJson(answer) : Examples.OfAnswer(type, status);

    private void CompleteSuccess(IOpenApiResponse response, ApiResponseType answer, OperationFilterContext context)
    {
        if (response.Content is not null && response.Content.TryGetValue(Json, out var content))
            content.Example = FindAnswer(answer.Type!, answer.StatusCode);
        AddHeader(response, Headers.RequestId, context);
        foreach (var header in context.MethodInfo.GetCustomAttributes<AnswerHeaderAttribute>())
        {
            if (header.Status == answer.StatusCode)
                AddHeader(response, header.Name, context);
        }
    }

    /// <summary>The format has no words for a stream of events: shown are the data of each, by the event's name.</summary>
    private static void AddEvents(IOpenApiResponse response, OperationFilterContext context)
    {
        GetContent(response)[EventStreamResult.ContentType] = new OpenApiMediaType
        {
            Schema = new OpenApiSchema
            {
                Description = "Server-sent events. Each has an `id` (the run's id, a colon and a position that grows), an `event` (the names of the "
                    + "examples) and `data`, one of these. The last one is `run.completed`, `run.failed` (problem details), `run.cancelled` or "
                    + "`run.incomplete`. Comment lines keep an idle connection open.",
                AnyOf = [.. Examples.Events.Select(e => e.Data.GetType()).Distinct().Select(t => context.SchemaGenerator.GenerateSchema(t, context.SchemaRepository))],
            },
            Examples = Examples.Events.ToDictionary(
                e => e.Name, e => (IOpenApiExample)new OpenApiExample { Summary = e.Summary, Value = Examples.ToJson(e.Data) }),
        };
    }

    private static void AddText(IOpenApiResponse response, string contentType, string description, string example) =>
        GetContent(response)[contentType] = new OpenApiMediaType
        {
            Schema = new OpenApiSchema { Type = JsonSchemaType.String, Description = description },
            Example = example,
        };

    private static IDictionary<string, OpenApiMediaType> GetContent(IOpenApiResponse response) =>
        ((OpenApiResponse)response).Content ??= new Dictionary<string, OpenApiMediaType>();

    private IEnumerable<ProblemExample> FindProblems(ApiDescription route)
    {
        string[] ofBodies =
            [Problem.MalformedJson, Problem.BadRequest, Problem.BodyTooLarge, Problem.UnsupportedMediaType, Problem.ValidationFailed];
        var names = new List<string>();
        if (route.ParameterDescriptions.Any(p => p.Source == BindingSource.Body))
            names.AddRange(ofBodies);
        else if (route.ParameterDescriptions.Any(p => p.Source == BindingSource.Query))
            names.Add(Examples.InvalidQuery);
        if (route.ParameterDescriptions.Any(p => p.Source == BindingSource.Path && p.Type == typeof(Guid)))
            names.Add(Examples.InvalidPathId);
        if (route.ParameterDescriptions.Any(p => p.Name == IdempotencyKey.Header))
            names.Add(Problem.InvalidIdempotencyKey);
        names.AddRange(route.ActionDescriptor.EndpointMetadata.OfType<ProblemsAttribute>().SelectMany(p => p.Codes));
        names.Add(RunError.Internal);
        return Examples.Problems.Concat(dialects.SelectMany(d => d.Problems)).Where(p => names.Contains(p.Name));
    }

    private static OpenApiResponse ToResponse(List<ProblemExample> problems, IErrorBody? shape, OperationFilterContext context)
    {
        var response = new OpenApiResponse
        {
            Description = string.Join(" ", problems.Select(p => shape is null ? $"{p.Problem.Title}: `{p.Problem.Code}`." : $"{p.Problem.Title}.").Distinct()),
            Content = shape is null ? ToContent(problems, context) : ToContent(problems, shape, context),
        };
        AddHeader(response, Headers.RequestId, context);
        if (problems.Exists(p => p.HasRetryAfter))
            AddHeader(response, HeaderNames.RetryAfter, context);
        if (problems.Exists(p => p.Problem.Status == StatusCodes.Status429TooManyRequests))
        {
            AddHeader(response, RateLimitHeaders.Policy, context);
            AddHeader(response, RateLimitHeaders.Left, context);
        }

        return response;
    }

    private static Dictionary<string, OpenApiMediaType> ToContent(List<ProblemExample> problems, OperationFilterContext context) => new()
    {
        [ErrorAnswer.ProblemJson] = new OpenApiMediaType
        {
            Schema = context.SchemaGenerator.GenerateSchema(typeof(ProblemResponse), context.SchemaRepository),
            Examples = problems.ToDictionary(p => p.Name, p => (IOpenApiExample)new OpenApiExampleReference(p.Name, context.Document)),
        },
    };

    /// <summary>The same problems as the dialect sends them, made by the code that sends them.</summary>
    private static Dictionary<string, OpenApiMediaType> ToContent(List<ProblemExample> problems, IErrorBody shape, OperationFilterContext context) =>
        problems.Select(p => (p.Name, p.Problem.Title, Answer: shape.ToAnswer(p.Problem))).GroupBy(p => p.Answer.ContentType).ToDictionary(
            answers => answers.Key,
            answers => new OpenApiMediaType
            {
                Schema = ToSchema([.. answers.Select(p => p.Answer.Body.GetType()).Distinct()], context),
                Examples = answers.ToDictionary(
                    p => p.Name, p => (IOpenApiExample)new OpenApiExample { Summary = p.Title, Value = Examples.ToJson(p.Answer.Body) }),
            });

    private static IOpenApiSchema ToSchema(Type[] bodies, OperationFilterContext context)
    {
        var schemas = bodies.Select(b => context.SchemaGenerator.GenerateSchema(b, context.SchemaRepository)).ToList();
        return schemas is [var only] ? only : new OpenApiSchema { AnyOf = schemas };
    }

    private static void AddHeader(IOpenApiResponse response, string name, OperationFilterContext context)
    {
        var concrete = (OpenApiResponse)response;
        concrete.Headers ??= new Dictionary<string, IOpenApiHeader>();
        concrete.Headers[name] = new OpenApiHeaderReference(name, context.Document);
    }

    private static OpenApiResponses Sort(OpenApiResponses responses)
    {
        var sorted = new OpenApiResponses();
        foreach (var (status, response) in responses.OrderBy(r => r.Key, StringComparer.Ordinal))
            sorted[status] = response;
        return sorted;
    }

    private static string ToKey(int status) => status.ToString(CultureInfo.InvariantCulture);
}
