using AiChat.Core.Errors;
using AiChat.Infrastructure.CommandLine;
using AiChat.Infrastructure.Persistence;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiChat.Api.Configuration;

internal static class Startup
{
    /// <summary>Checks, migrates, serves until the process is asked to stop, and returns the exit code.</summary>
    public static async Task<int> RunToEndAsync(this WebApplication app, IServiceCollection registered)
    {
        var problems = ConfigurationCheck.FindProblems(registered, app.Services);
        if (problems.Count > 0)
            return Refuse([$"AiChat cannot start: {problems.Count} {(problems.Count == 1 ? "setting is" : "settings are")} wrong.", .. problems]);

        string databaseVersion;
        try
        {
            await app.Services.GetRequiredService<Migrator>().MigrateAsync();
            databaseVersion = await app.Services.GetRequiredService<IDatabase>().GetVersionAsync(CancellationToken.None);
            await app.StartAsync();
        }
        catch (DatabaseStartupException failure)
        {
            return Refuse([$"AiChat cannot start: {failure.Message}"]);
        }
        catch (UnavailableException failure) when (failure.Code == UnavailableException.DatabaseUnavailable)
        {
            return Refuse([$"AiChat cannot start: {app.Services.GetRequiredService<IDatabase>().DescribeFailure(failure.InnerException ?? failure)}"]);
        }
        catch (IOException failure) when (failure.InnerException is AddressInUseException)
        {
            return Refuse(["AiChat cannot start: another program listens on the same address. Stop it, or set Urls to another one, such as http://localhost:8001."]);
        }

        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>();
        app.Services.GetRequiredService<Banner>().Show(addresses?.Addresses ?? [], databaseVersion);
        await app.WaitForShutdownAsync();
        return ExitCode.Ok;
    }

    private static int Refuse(IEnumerable<string> sentences)
    {
        foreach (var sentence in sentences)
            Console.Error.WriteLine(sentence);
        return ExitCode.Failed;
    }
}
