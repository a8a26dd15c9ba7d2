using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Errors;

internal static class ProblemSetup
{
    public static void AddProblems(this IServiceCollection services)
    {
        services.AddExceptionHandler<ProblemHandler>();
        services.AddProblemDetails();
        services.Configure<ApiBehaviorOptions>(api =>
        {
            api.SuppressMapClientErrors = true;
            api.InvalidModelStateResponseFactory = context => new ProblemResult(ToProblem(context));
        });
    }

    public static void UseProblems(this IApplicationBuilder app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(context =>
            context.HttpContext.WriteProblemAsync(Problem.OfStatus(context.HttpContext.Response.StatusCode, context.HttpContext.Request)));
    }

    /// <summary>Values of the path and the query that could not be read.</summary>
    private static ProblemResponse ToProblem(ActionContext context)
    {
        var isMalformedId = context.ActionDescriptor.Parameters.Any(p =>
            p.ParameterType == typeof(Guid) && context.ModelState.GetFieldValidationState(p.Name) == ModelValidationState.Invalid);
        var errors = context.ModelState
            .Where(e => e.Value!.ValidationState == ModelValidationState.Invalid)
            .ToDictionary(e => e.Key, e => new[] { Describe(context, e.Key, e.Value!) });
        return Problem.Invalid(errors, isMalformedId ? Problem.InvalidId : Problem.ValidationFailed);
    }

    private static string Describe(ActionContext context, string field, ModelStateEntry entry)
    {
        if (context.ActionDescriptor.Parameters.Any(p => p.Name == field && p.ParameterType == typeof(Guid)))
            return "must be a UUID, such as 0199c0de-0000-7000-8000-000000000000";
        // The framework's own sentences quote the value and differ between versions; ours are set where the rule is.
        return entry.Errors is [{ Exception: null, ErrorMessage: { } message }, ..] && message.StartsWith("must ", StringComparison.Ordinal)
            ? message
            : "must be a whole number";
    }
}
