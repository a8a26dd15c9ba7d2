using Microsoft.AspNetCore.Routing.Matching;

namespace AiChat.Api.Dialects;

/// <summary>
/// Keeps apart what routing takes for one path: <c>/chats/</c> of an action with <see cref="TrailingSlashAttribute"/>, and <c>/chats</c>.
/// Asked only for paths that have such an action; everywhere else both forms mean the same, and cost the same.
/// </summary>
internal sealed class TrailingSlashPolicy : MatcherPolicy, IEndpointSelectorPolicy
{
    public override int Order => 0;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => endpoints.Any(WantsSlash);

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        var isSlashed = httpContext.Request.Path.Value!.EndsWith('/') && HasOneThatWantsSlash(candidates);
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.IsValidCandidate(i) && WantsSlash(candidates[i].Endpoint) != isSlashed)
                candidates.SetValidity(i, false);
        }

        return Task.CompletedTask;
    }

    private static bool HasOneThatWantsSlash(CandidateSet candidates)
    {
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.IsValidCandidate(i) && WantsSlash(candidates[i].Endpoint))
                return true;
        }

        return false;
    }

    private static bool WantsSlash(Endpoint endpoint) => endpoint.Metadata.GetMetadata<TrailingSlashAttribute>() is not null;
}
