using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace AiChat.Tests.OpenApi;

/// <summary>The served document under the rules of two public linters. Their versions stand in <c>lint/package-lock.json</c>.</summary>
[TestFixture]
public sealed class OpenApiLintTests
{
    private const string Install = "Install Node.js 20 or later and run: npm ci --prefix AiChat.Tests/OpenApi/lint";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("aichat-lint-");

    private static string LintFolder => Path.Combine(GetSourceFolder(), "lint");

    private string DocumentFile => Path.Combine(folder.FullName, "swagger.json");

    [OneTimeSetUp]
    public async Task SaveDocument()
    {
        if (!Directory.Exists(Path.Combine(LintFolder, "node_modules")))
            Assert.Ignore($"The linters are not installed. {Install}");

        await using var server = await DocumentedServer.StartAsync();
        await File.WriteAllBytesAsync(DocumentFile, await server.Client.GetByteArrayAsync(DocumentedServer.DocumentPath));
    }

    [OneTimeTearDown]
    public void DeleteDocument() => folder.Delete(recursive: true);

    [Test]
    public async Task Document_CheckedBySpectral_HasNoFindings()
    {
        var output = await RunNodeAsync(
            "@stoplight/spectral-cli/dist/index.js", "lint", "--ruleset", ".spectral.yaml", "--format", "json", "--quiet", DocumentFile);

        Assert.That(JsonNode.Parse(output)!.AsArray(), Is.Empty);
    }

    [Test]
    public async Task Document_CheckedByRedocly_HasNoFindings()
    {
        var output = await RunNodeAsync("@redocly/cli/bin/cli.js", "lint", "--config", "redocly.yaml", "--format", "json", DocumentFile);

        var report = JsonNode.Parse(output)!;
        Assert.That(report["problems"]!.AsArray().Select(p => p!.ToJsonString()), Is.Empty);
        Assert.That((int)report["totals"]!["ignored"]!, Is.Zero);
    }

    private static string GetSourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private static async Task<string> RunNodeAsync(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("node")
        {
            WorkingDirectory = LintFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { Path.Combine(LintFolder, "node_modules", script) },
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["REDOCLY_TELEMETRY"] = "off";
        start.Environment["REDOCLY_SUPPRESS_UPDATE_NOTICE"] = "true";

        using var process = Start(start);
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.That(output, Does.Contain('{').Or.Contain('['), await errors);
        return output;
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"Node.js is not installed. {Install}");
            throw;
        }
    }
}
