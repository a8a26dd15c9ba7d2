namespace AiChat.Api.Dialects;

internal static class DialectSetup
{
    /// <summary>What the dialects need beside their controllers.</summary>
    public static void AddDialects(this IServiceCollection services) => services.AddSingleton<MatcherPolicy, TrailingSlashPolicy>();
}
