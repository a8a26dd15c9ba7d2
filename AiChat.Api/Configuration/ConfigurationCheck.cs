using Microsoft.Extensions.Options;

namespace AiChat.Api.Configuration;

/// <summary>Finds every mistake in the configuration at once, before anything is opened.</summary>
internal static class ConfigurationCheck
{
    /// <summary>One sentence per problem, each naming the key and the cure. Every options class that has a validator is checked.</summary>
    public static IReadOnlyList<string> FindProblems(IServiceCollection registered, IServiceProvider services) =>
        [.. registered
            .Select(s => s.ServiceType)
            .Where(t => t.IsGenericType && t.GetGenericTypeDefinition() == typeof(IValidateOptions<>))
            .Select(t => t.GenericTypeArguments[0])
            .Where(t => t.Namespace!.StartsWith("AiChat.", StringComparison.Ordinal))
            .Distinct()
            .SelectMany(options => Check(services, options))];

    private static IEnumerable<string> Check(IServiceProvider services, Type optionsType)
    {
        try
        {
            var options = services.GetRequiredService(typeof(IOptions<>).MakeGenericType(optionsType));
            _ = options.GetType().GetProperty(nameof(IOptions<>.Value))!.GetValue(options);
            return [];
        }
        catch (System.Reflection.TargetInvocationException failure) when (failure.InnerException is OptionsValidationException invalid)
        {
            return invalid.Failures;
        }
        catch (System.Reflection.TargetInvocationException failure) when (failure.InnerException is InvalidOperationException unreadable)
        {
            return [$"{unreadable.Message} Write a value of that type."];
        }
    }
}
