using AiChat.Api.Configuration;
using AiChat.Infrastructure.Persistence;
using Microsoft.Extensions.Options;

namespace AiChat.Api.Verbs;

/// <summary>The settings of the database, from where the server would read them.</summary>
internal static class DatabaseSettings
{
    /// <summary>Null when some of them are wrong; each of these is written to the errors.</summary>
    /// <param name="args">Settings of the command line.</param>
    /// <param name="errors">For those who started the process.</param>
    /// <param name="url">Another database than the configured one.</param>
    public static async Task<DatabaseOptions?> ReadAsync(string[] args, TextWriter errors, string? url = null)
    {
        using var configuration = new ConfigurationManager();
        configuration.UseAiChatSources(args, Directory.GetCurrentDirectory());
        if (url is not null)
            configuration[DatabaseOptions.UrlVariable] = url;
        var services = new ServiceCollection().AddSingleton<IConfiguration>(configuration).AddPersistence();
        await using var provider = services.BuildServiceProvider();
        var problems = ConfigurationCheck.FindProblems(services, provider);
        foreach (var problem in problems)
            await errors.WriteLineAsync(problem);
        return problems.Count > 0 ? null : provider.GetRequiredService<IOptions<DatabaseOptions>>().Value;
    }
}
