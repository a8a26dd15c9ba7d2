using AiChat.Api.Configuration;
using AiChat.Infrastructure.CommandLine;

namespace AiChat.Api.Verbs;

/// <summary>
/// <c>AiChat.Api health</c> asks the server of the same machine and the same settings whether it lives: the health check of an image that
/// holds no other program that could.
/// </summary>
internal static class HealthVerb
{
    private const string Route = "/health/live";

    /// <summary>A server that lives answers in milliseconds.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(4);

    /// <summary>What <c>Urls</c> may say for every address of the machine.</summary>
    private static readonly string[] EveryHost = ["+", "*", "0.0.0.0", "[::]"];

    /// <summary>The exit code: 0 when the server answers, otherwise 1 and a sentence on why.</summary>
    public static async Task<int> RunAsync(string[] settings)
    {
        using var configuration = new ConfigurationManager();
        configuration.UseAiChatSources(settings, Directory.GetCurrentDirectory());
        if (FindAddress(configuration[WebHostDefaults.ServerUrlsKey]) is not { } address)
        {
            await Console.Error.WriteLineAsync("Urls names no http address that could be asked: add one such as http://localhost:8000.");
            return ExitCode.Failed;
        }

        // Without a proxy: the one that the environment may name leads away from this machine.
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = LongestWait };
        try
        {
            using var response = await client.GetAsync(address);
            if (response.IsSuccessStatusCode)
                return ExitCode.Ok;
            await Console.Error.WriteLineAsync($"{address} answers {(int)response.StatusCode}.");
        }
        catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"{address} does not answer: {failure.Message}");
        }

        return ExitCode.Failed;
    }

    private static Uri? FindAddress(string? urls)
    {
        var address = (urls ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(BindingAddress.Parse)
            .FirstOrDefault(a => a.Scheme == Uri.UriSchemeHttp && !a.IsUnixPipe && !a.IsNamedPipe);
        if (address is null)
            return null;
        var host = EveryHost.Contains(address.Host) ? "localhost" : address.Host;
        return new UriBuilder(Uri.UriSchemeHttp, host, address.Port, Route).Uri;
    }
}
