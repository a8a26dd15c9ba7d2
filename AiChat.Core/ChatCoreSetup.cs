using AiChat.Core.Chats;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace AiChat.Core;

public static class ChatCoreSetup
{
    /// <summary>Chats, runs, memory and models. Needs the repositories and the providers from elsewhere.</summary>
    public static IServiceCollection AddChatCore(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);

        services.AddOptions<RunOptions>().BindConfiguration(RunOptions.Section).ValidateOnStart();
        services.AddOptions<MemoryOptions>().BindConfiguration(MemoryOptions.Section).ValidateOnStart();
        services.AddOptions<ModelsOptions>().Configure<IConfiguration>((o, c) => o.Bind(c.GetSection(ModelsOptions.Section))).ValidateOnStart();
        services.AddSingleton<IValidateOptions<RunOptions>, RunOptionsValidator>();
        services.AddSingleton<IValidateOptions<MemoryOptions>, MemoryOptionsValidator>();
        services.AddSingleton<IValidateOptions<ModelsOptions>, ModelsOptionsValidator>();

        services.AddSingleton<ModelRegistry>();
        services.AddSingleton<ContextBuilder>();
        services.AddSingleton<ChatService>();
        services.AddSingleton<RunService>();
        services.AddSingleton<RunGenerator>();
        services.AddSingleton<RunExecutor>();
        // Stopped in the opposite order: text is stored as long as runs go on.
        services.AddHostedService<RunCleaner>();
        services.AddHostedService<RunLogFlusher>();
        services.AddHostedService(provider => provider.GetRequiredService<RunExecutor>());
        services.AddHostedService<RunRecovery>();
        return services;
    }
}
