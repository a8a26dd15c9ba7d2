using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace AiChat.Tests.Seeds;

/// <summary>The real program; a test that needs it is skipped where it is not installed.</summary>
public sealed class CurlProcess : ICurl
{
    /// <summary>No settings of whoever runs the tests, no proxy, an end; and what the answer was, where it is not mixed with the body.</summary>
    private static readonly string[] OwnArguments =
        ["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--write-out", "%{stderr}%{http_code} %{content_type}"];

    public async Task<CurlAnswer> RunAsync(CurlCommand command)
    {
        using var process = Start([.. OwnArguments, .. command.Arguments]);
        var notes = process.StandardError.ReadToEndAsync();
        var body = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, $"curl {string.Join(' ', command.Arguments)}: {await notes}");

        var answer = (await notes).Split(' ', 2);
        return new CurlAnswer(int.Parse(answer[0], CultureInfo.InvariantCulture), answer[1].Split(';')[0].Trim(), body);
    }

    private static Process Start(IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("curl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        }
        catch (Win32Exception)
        {
            Assert.Ignore("curl is not installed: apt-get install curl. The same lines are run without it, by CurlOverHttp.");
            throw;
        }
    }
}
