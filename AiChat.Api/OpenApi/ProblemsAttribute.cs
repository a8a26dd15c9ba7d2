using AiChat.Core.Errors;
using AiChat.Core.Runs;

namespace AiChat.Api.OpenApi;

/// <summary>
/// Problems an action (or every action of a controller) may answer with, by code; the document shows each with its status and an example.
/// Problems that follow from the shape of a request (its body, ids and query) are added by <see cref="AnswersFilter"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
internal class ProblemsAttribute(params string[] codes) : Attribute
{
    public IReadOnlyList<string> Codes { get; } = codes;
}

/// <summary>The ways a model can fail to answer a message.</summary>
internal sealed class RunProblemsAttribute() : ProblemsAttribute(
    Errors.Problem.MessageTooLong, RunError.ProviderRejected, RunError.ChatDeleted, RunError.Cancelled, RunError.ProviderUnavailable,
    RunError.ProviderInvalidResponse, RunError.ProviderUnauthorized, RunError.ProviderRateLimited, RunError.Interrupted,
    UnavailableException.ShuttingDown, RunError.ProviderTimeout, RunError.RunTimeout);
