namespace AiChat.Api.Chats;

/// <summary>Lists that are written while they are read.</summary>
internal static class StreamedLists
{
    /// <summary>A reader that has stopped reading must not hold up the shutdown.</summary>
    public static void AbortAtShutdown(this HttpContext http, IHostApplicationLifetime lifetime) =>
        http.Response.RegisterForDispose(lifetime.ApplicationStopping.Register(http.Abort));
}
