using System.Text.Json;
using FluentValidation;
using FluentValidation.Results;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;

namespace AiChat.Api.Errors;

/// <summary>Runs the validator of every argument that has one, before the action, and reports all problems at once.</summary>
internal sealed class ValidationFilter : IActionFilter
{
    public void OnActionExecuting(ActionExecutingContext context)
    {
        var failures = default(List<ValidationFailure>);
        foreach (var argument in context.ActionArguments.Values)
        {
            if (argument is null || context.HttpContext.RequestServices.GetService(ValidatorTypes.Get(argument.GetType())) is not IValidator validator)
                continue;
            var result = validator.Validate(new ValidationContext<object>(argument));
            if (!result.IsValid)
                (failures ??= []).AddRange(result.Errors);
        }

        if (failures is not null)
            context.Result = new ProblemResult(ToProblem(failures));
    }

    public void OnActionExecuted(ActionExecutedContext context)
    {
    }

    private static ProblemResponse ToProblem(List<ValidationFailure> failures)
    {
        var errors = failures
            .GroupBy(f => f.PropertyName, f => f.ErrorMessage)
            .ToDictionary(g => g.Key, g => g.Distinct().ToArray());
        var codes = failures.Select(f => f.ErrorCode).Distinct().ToList();
        var code = codes.Contains(Problem.InvalidId) ? Problem.InvalidId : codes is ["unknown_model"] ? codes[0] : Problem.ValidationFailed;
        return Problem.Invalid(errors, code);
    }

    private static class ValidatorTypes
    {
        private static readonly System.Collections.Concurrent.ConcurrentDictionary<Type, Type> Types = new();

        public static Type Get(Type argument) => Types.GetOrAdd(argument, static t => typeof(IValidator<>).MakeGenericType(t));
    }
}

internal static class ValidationSetup
{
    public static void AddValidation(this MvcOptions mvc)
    {
        mvc.Filters.Add<ValidationFilter>();
        // The framework's own validation of [Required] and the like is not used; skipping its walk through every object saves time.
        mvc.ModelValidatorProviders.Clear();
        mvc.SuppressImplicitRequiredAttributeForNonNullableReferenceTypes = true;
    }

    public static void AddValidators(this IServiceCollection services)
    {
        ValidatorOptions.Global.PropertyNameResolver = (_, member, _) => member is null ? null : JsonNamingPolicy.SnakeCaseLower.ConvertName(member.Name);
        var validators = typeof(ValidationSetup).Assembly.GetTypes().Where(t => t is { IsAbstract: false, BaseType.IsGenericType: true }
            && t.BaseType.GetGenericTypeDefinition() == typeof(AbstractValidator<>));
        foreach (var validator in validators)
            services.AddSingleton(typeof(IValidator<>).MakeGenericType(validator.BaseType!.GenericTypeArguments), validator);
    }
}
