using Microsoft.AspNetCore.Mvc.ApiExplorer;

namespace AiChat.Api.Dialects;

/// <summary>
/// An action that answers its path with a slash at the end and no other; the action of the same path without this attribute answers the
/// path without one.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TrailingSlashAttribute : Attribute
{
    public static bool IsOn(ApiDescription route) => route.ActionDescriptor.EndpointMetadata.Any(m => m is TrailingSlashAttribute);
}
