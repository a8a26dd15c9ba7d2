using Microsoft.AspNetCore.Mvc;

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
            // ValidationFilter does it, together with everything else that is wrong.
            api.SuppressModelStateInvalidFilter = true;
        });
    }

    public static void UseProblems(this IApplicationBuilder app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(context =>
            context.HttpContext.WriteProblemAsync(Problem.OfStatus(context.HttpContext.Response.StatusCode, context.HttpContext.Request)));
    }
}
