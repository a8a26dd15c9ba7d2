using AiChat.Api.Dialects.ChatAi;
using AiChat.Api.Dialects.ChatApi;
using AiChat.Api.Dialects.ChatHistory;
using AiChat.Api.Dialects.CreateChat;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.Dialects;

internal static class DialectSetup
{
    /// <summary>What the dialects need beside their controllers.</summary>
    public static void AddDialects(this IServiceCollection services)
    {
        services.AddSingleton<MatcherPolicy, TrailingSlashPolicy>();
        services.AddSingleton(CreateChatExamples.All);
        services.AddSingleton(ChatHistoryExamples.All);
        services.AddSingleton(ChatApiExamples.All);
        services.AddSingleton(ChatAiExamples.All);
        services.Configure<SwaggerGenOptions>(swagger => swagger.OperationFilter<QueryOrBodyFilter>());
    }
}
