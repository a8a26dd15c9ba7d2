using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Nodes;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Infrastructure.Runs;
using AiChat.Infrastructure.Usage;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Persistence;

public static class PersistenceSetup
{
    /// <summary>The database and the repositories. <see cref="Migrator.MigrateAsync"/> must run before they are used.</summary>
    public static IServiceCollection AddPersistence(this IServiceCollection services)
    {
        services.AddOptions<DatabaseOptions>().Configure<IConfiguration>((o, c) => o.Bind(c)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<DatabaseOptions>, DatabaseOptionsValidator>();

        services.AddSingleton<PostgresDatabase>();
        services.AddSingleton<SqliteDatabase>();
        services.AddSingleton<IDatabase>(provider => IsPostgres(provider)
            ? provider.GetRequiredService<PostgresDatabase>()
            : provider.GetRequiredService<SqliteDatabase>());
        services.AddSingleton<PostgresSignals>();
        services.AddSingleton<INodeSignals>(provider => IsPostgres(provider) ? provider.GetRequiredService<PostgresSignals>() : new NoSignals());
        services.AddSingleton<INodeRepository, NodeRepository>();
        services.AddSingleton<Migrator>();
        services.AddSingleton<IChatRepository, ChatRepository>();
        services.AddSingleton<IMessageRepository, MessageRepository>();
        services.AddSingleton<IRunRepository, RunRepository>();
        services.AddSingleton<IIdempotencyRepository, IdempotencyRepository>();
        services.AddSingleton<IBudgetRepository, BudgetRepository>();
        services.AddSingleton<IUsageRepository, UsageRepository>();
        return services;
    }

    private static bool IsPostgres(IServiceProvider provider) =>
        DatabaseUrl.IsPostgres(provider.GetRequiredService<IOptions<DatabaseOptions>>().Value.Url);
}
