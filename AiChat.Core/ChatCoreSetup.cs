using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Configuration;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace AiChat.Core;

public static class ChatCoreSetup
{
    /// <summary>Chats, runs, memory and models. Needs the repositories, the providers and what searches the web from elsewhere.</summary>
    public static IServiceCollection AddChatCore(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);

        services.AddOptions<RunOptions>().BindConfiguration(RunOptions.Section).ValidateOnStart();
        services.AddOptions<MemoryOptions>().BindConfiguration(MemoryOptions.Section).ValidateOnStart();
        services.AddOptions<TitleOptions>().BindConfiguration(TitleOptions.Section).ValidateOnStart();
        services.AddOptions<ModelsOptions>().Configure<IConfiguration>((o, c) => o.Bind(c.GetSection(ModelsOptions.Section))).ValidateOnStart();
        services.AddOptions<RoutingOptions>().BindConfiguration(RoutingOptions.Section).ValidateOnStart();
        services.AddOptions<BudgetOptions>().Configure<IConfiguration>((o, c) => o.Bind(c.GetSection(BudgetOptions.Section))).ValidateOnStart();
        services.AddOptions<WebSearchOptions>().Configure<IConfiguration>((o, c) => o.Bind(c)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<RunOptions>, RunOptionsValidator>();
        services.AddSingleton<IValidateOptions<MemoryOptions>, MemoryOptionsValidator>();
        services.AddSingleton<IValidateOptions<TitleOptions>, TitleOptionsValidator>();
        services.AddSingleton<IValidateOptions<ModelsOptions>, ModelsOptionsValidator>();
        // As they are: validated ones would throw where they are wrong, and what is wrong with the budgets would not be reported.
        services.AddSingleton<IValidateOptions<BudgetOptions>>(
            provider => new BudgetOptionsValidator(() => provider.GetRequiredService<OptionsReader<ModelsOptions>>().Read().Aliases.Keys));
        services.AddSingleton<IValidateOptions<WebSearchOptions>>(
            provider => new WebSearchOptionsValidator(() => provider.GetRequiredService<OptionsReader<ModelsOptions>>().Read().Aliases.Keys));
        services.AddSingleton<IValidateOptions<RoutingOptions>, RoutingOptionsValidator>();

        services.TryAddSingleton(typeof(OptionsReader<>));
        services.AddSingleton<ModelRegistry>();
        services.AddSingleton<IReloadable, ModelReload>();
        services.AddSingleton<ContextBuilder>();
        services.AddSingleton<BudgetPolicy>();
        services.AddSingleton<ChatService>();
        services.AddSingleton<SideCalls>();
        services.AddSingleton<TitleWriter>();
        services.AddSingleton<WebSearchService>();
        services.AddSingleton<SearchQueryWriter>();
        services.AddSingleton<RunService>();
        services.AddSingleton<RunGenerator>();
        services.AddSingleton<RunExecutor>();
        services.AddSingleton<RunRecovery>();
        services.AddSingleton<RunMirrors>();
        services.AddSingleton<Node>();
        // Stopped in the opposite order: text is stored as long as runs go on, and others hear of it.
        services.AddHostedService(provider => provider.GetRequiredService<INodeSignals>());
        services.AddHostedService<RunCleaner>();
        services.AddHostedService(provider => provider.GetRequiredService<TitleWriter>());
        services.AddHostedService(provider => provider.GetRequiredService<RunMirrors>());
        services.AddHostedService<NodeService>();
        services.AddHostedService<RunLogFlusher>();
        services.AddHostedService(provider => provider.GetRequiredService<RunExecutor>());
        services.AddHostedService<ConfigurationReloader>();
        return services;
    }
}
