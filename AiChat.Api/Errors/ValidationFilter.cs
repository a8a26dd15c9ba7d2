using System.Linq.Expressions;
using System.Text.Json;
using FluentValidation;
using FluentValidation.Internal;
using FluentValidation.Results;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Errors;

/// <summary>
/// Before the action: collects what could not be read of the path, the query and the body, runs the validator of every argument that has one, and
/// reports all problems at once.
/// </summary>
internal sealed class ValidationFilter : IActionFilter
{
    /// <summary>Codes of status 400: whoever sent that should be told before anything else.</summary>
    private static readonly string[] MalformedCodes = [Problem.InvalidId, Problem.InvalidIdempotencyKey, Problem.InvalidEventId];

    public void OnActionExecuting(ActionExecutingContext context)
    {
        var failures = context.ModelState.IsValid ? null : FindUnreadable(context);
        var unreadable = failures?.ConvertAll(f => f.PropertyName);
        foreach (var (name, argument) in context.ActionArguments)
        {
            if (argument is null || context.HttpContext.RequestServices.GetService(ValidatorTypes.Get(argument.GetType())) is not IValidator validator)
                continue;
            var result = validator.Validate(new ValidationContext<object>(argument));
            if (result.IsValid)
                continue;
            var readable = result.Errors.FindAll(e => unreadable is null || !unreadable.Exists(f => IsOf(f, e.PropertyName)));
            readable.ForEach(e => e.CustomState = (argument as IPlacedFields)?.GetPlace(e.PropertyName) ?? GetPlace(context, name));
            (failures ??= []).AddRange(readable);
        }

        if (failures is not null)
            context.Result = new ProblemResult(ToProblem(failures));
    }

    public void OnActionExecuted(ActionExecutedContext context)
    {
    }

    private static List<ValidationFailure> FindUnreadable(ActionExecutingContext context) =>
        [.. context.ModelState
            .Where(e => e.Value!.ValidationState == ModelValidationState.Invalid)
            .Select(e => ToFailure(context, e.Key, e.Value!))];

    private static ValidationFailure ToFailure(ActionExecutingContext context, string field, ModelStateEntry entry)
    {
        var failure = IsId(context, field) ? MalformedId(field) : new ValidationFailure(field, Describe(entry)) { ErrorCode = FindCode(context, field) };
        failure.CustomState = FindPlace(context.HttpContext.Request, field);
        return failure;
    }

    /// <summary>What cannot be read was given; what is neither in the path nor in the query was in the body.</summary>
    private static FieldPlace FindPlace(HttpRequest request, string field)
    {
        if (request.RouteValues.ContainsKey(field))
            return FieldPlace.Path;
        return request.Query.ContainsKey(field) ? FieldPlace.Query : FieldPlace.Body;
    }

    private static FieldPlace GetPlace(ActionExecutingContext context, string argument)
    {
        var source = context.ActionDescriptor.Parameters.FirstOrDefault(p => p.Name == argument)?.BindingInfo?.BindingSource;
        if (source == BindingSource.Query)
            return FieldPlace.Query;
        return source == BindingSource.Path ? FieldPlace.Path : FieldPlace.Body;
    }

    /// <summary>Whether a field is this one or stands inside of it.</summary>
    private static bool IsOf(string outer, string field) =>
        field.StartsWith(outer, StringComparison.Ordinal) && (field.Length == outer.Length || field[outer.Length] == '.');

    /// <summary>The code of what is malformed as such, like an id.</summary>
    private static string FindCode(ActionExecutingContext context, string field)
    {
        var attributes = context.ActionDescriptor.Parameters.OfType<ControllerParameterDescriptor>()
            .SelectMany(p => p.ParameterInfo.GetCustomAttributes(inherit: false).OfType<IMalformedProblem>());
        return attributes.FirstOrDefault(a => a.Fields.Contains(field))?.Code ?? Problem.ValidationFailed;
    }

    private static bool IsId(ActionExecutingContext context, string field) =>
        context.ActionDescriptor.Parameters.Any(p => (p.BindingInfo?.BinderModelName ?? p.Name) == field && p.ParameterType == typeof(Guid));

    private static ValidationFailure MalformedId(string field) =>
        new(field, "must be a UUID, such as 0199c0de-0000-7000-8000-000000000000") { ErrorCode = Problem.InvalidId };

    // The framework's own sentences quote the value and differ between versions; ours are set where the rule is.
    private static string Describe(ModelStateEntry entry) =>
        entry.Errors is [{ Exception: null, ErrorMessage: { } message }, ..] && message.StartsWith("must ", StringComparison.Ordinal)
            ? message
            : "must be a whole number";

    private static ProblemResponse ToProblem(List<ValidationFailure> failures)
    {
        var errors = failures
            .GroupBy(f => f.PropertyName, f => f.ErrorMessage)
            .ToDictionary(g => g.Key, g => g.Distinct().ToArray());
        var codes = failures.Select(f => f.ErrorCode).Distinct().ToList();
        var code = codes.Find(MalformedCodes.Contains) ?? (codes is ["unknown_model"] ? codes[0] : Problem.ValidationFailed);
        var places = failures.DistinctBy(f => f.PropertyName).ToDictionary(f => f.PropertyName, f => (FieldPlace)f.CustomState);
        return Problem.Invalid(errors, code) with { Places = places };
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
        ValidatorOptions.Global.PropertyNameResolver = (_, _, expression) => expression is null ? null : ToFieldName(expression);
        var validators = typeof(ValidationSetup).Assembly.GetTypes().Where(t => t is { IsAbstract: false, BaseType.IsGenericType: true }
            && t.BaseType.GetGenericTypeDefinition() == typeof(AbstractValidator<>));
        foreach (var validator in validators)
            services.AddSingleton(typeof(IValidator<>).MakeGenericType(validator.BaseType!.GenericTypeArguments), validator);
    }

    /// <summary>The name of a field as clients write it, with those it stands in: <c>first_message.text</c>.</summary>
    private static string? ToFieldName(LambdaExpression expression)
    {
        var names = PropertyChain.FromExpression(expression);
        return names.Count == 0 ? null : string.Join('.', names.ToString().Split('.').Select(JsonNamingPolicy.SnakeCaseLower.ConvertName));
    }
}
