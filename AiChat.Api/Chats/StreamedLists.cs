using AiChat.Core.Runs;

namespace AiChat.Api.Chats;

/// <summary>Lists that are written while they are read.</summary>
internal static class StreamedLists
{
    /// <summary>A reader that has stopped reading must not hold up the shutdown; one that reads has until then for the rest.</summary>
    /// <param name="http">The request that is answered with the list.</param>
    /// <param name="executor">Says when whoever has not read to the end is not waited for any longer.</param>
    public static void AbortAtShutdown(this HttpContext http, RunExecutor executor) =>
        http.Response.RegisterForDispose(executor.Released.Register(http.Abort));
}
