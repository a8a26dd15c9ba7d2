using System.Globalization;
using System.Reflection;
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
internal sealed class AnswersFilter : IOperationFilter
{
    private const string Json = "application/json";
    private const string ProblemJson = "application/problem+json";
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
            AddTable(operation.Responses!["200"]);
        foreach (var answer in route.SupportedResponseTypes)
            CompleteSuccess(operation.Responses![ToKey(answer.StatusCode)], answer, context);
        foreach (var problems in FindProblems(route).GroupBy(p => p.Problem.Status))
            operation.Responses![ToKey(problems.Key)] = ToResponse(problems, context);
        if (!operation.Responses!.ContainsKey("400"))
            operation.Responses["400"] = new OpenApiResponse { Description = NotHttp };
        operation.Responses = Sort(operation.Responses);
    }

    private static void CompleteRequest(OpenApiOperation operation, OperationFilterContext context)
    {
        var type = context.ApiDescription.ParameterDescriptions.FirstOrDefault(p => p.Source == BindingSource.Body)?.Type;
        if (type is null)
            return;

        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [Json] = new()
                {
                    Schema = context.SchemaGenerator.GenerateSchema(type, context.SchemaRepository),
                    Examples = Examples.OfRequest(type).ToDictionary(e => e.Name, e => (IOpenApiExample)e.ToOpenApi()),
                },
            },
        };
    }

    private static void CompleteSuccess(IOpenApiResponse response, ApiResponseType answer, OperationFilterContext context)
    {
        if (response.Content is not null && response.Content.TryGetValue(Json, out var content))
            content.Example = Examples.OfAnswer(answer.Type!, answer.StatusCode);
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
        var concrete = (OpenApiResponse)response;
        concrete.Content ??= new Dictionary<string, OpenApiMediaType>();
        concrete.Content[EventStreamResult.ContentType] = new OpenApiMediaType
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

    private static void AddTable(IOpenApiResponse response) => response.Content![UsageCsvResult.ContentType] = new OpenApiMediaType
    {
        Schema = new OpenApiSchema { Type = JsonSchemaType.String, Description = "A table (RFC 4180): a line with the names of the columns, then the rows." },
        Example = Examples.UsageTable,
    };

    private static IEnumerable<ProblemExample> FindProblems(ApiDescription route)
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
        return Examples.Problems.Where(p => names.Contains(p.Name));
    }

    private static OpenApiResponse ToResponse(IEnumerable<ProblemExample> problems, OperationFilterContext context)
    {
        var all = problems.ToList();
        var response = new OpenApiResponse
        {
            Description = string.Join(" ", all.Select(p => $"{p.Problem.Title}: `{p.Problem.Code}`.")),
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [ProblemJson] = new()
                {
                    Schema = context.SchemaGenerator.GenerateSchema(typeof(ProblemResponse), context.SchemaRepository),
                    Examples = all.ToDictionary(p => p.Name, p => (IOpenApiExample)new OpenApiExampleReference(p.Name, context.Document)),
                },
            },
        };
        AddHeader(response, Headers.RequestId, context);
        if (all.Exists(p => p.HasRetryAfter))
            AddHeader(response, HeaderNames.RetryAfter, context);
        if (all.Exists(p => p.Problem.Status == StatusCodes.Status429TooManyRequests))
        {
            AddHeader(response, RateLimitHeaders.Policy, context);
            AddHeader(response, RateLimitHeaders.Left, context);
        }

        return response;
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
