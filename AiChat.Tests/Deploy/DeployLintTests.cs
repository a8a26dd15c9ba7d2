using System.ComponentModel;
using System.Text.Json.Nodes;
using AiChat.Tests.Support;

namespace AiChat.Tests.Deploy;

/// <summary>
/// The files of <c>deploy/</c> under the schemas of Kubernetes and of compose files, and a parser of Dockerfiles. The versions of these stand
/// in <c>package-lock.json</c> beside the linters of the OpenAPI document.
/// </summary>
public sealed class DeployLintTests
{
    private const string Install = "Install Node.js 20 or later and run: npm ci --prefix AiChat.Tests/OpenApi/lint";

    private TempFolder folder = null!;

    private static string LintFolder => Path.Combine(DeployFolder.Repository, "AiChat.Tests", "OpenApi", "lint");

    private static IEnumerable<string> Manifests => DeployFolder.Manifests.Select(f => Path.GetRelativePath(DeployFolder.GetFile("."), f));

    [OneTimeSetUp]
    public void FindLinters()
    {
        if (!Directory.Exists(Path.Combine(LintFolder, "node_modules")))
            Assert.Ignore($"The linters are not installed. {Install}");
    }

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [TestCaseSource(nameof(Manifests))]
    public async Task Manifest_CheckedByTheSchemas_HasNoFindings(string file) =>
        Assert.That(await LintAsync("kubernetes", DeployFolder.GetFile(file)), Is.Empty);

    [TestCase("replicas: 3", "replicas: three", "data/spec/replicas must be integer")]
    [TestCase("terminationGracePeriodSeconds", "terminationGracePeriod", "/spec/template/spec/terminationGracePeriod is unknown")]
    [TestCase("                seconds: 10", "                duration: 10", "data/spec/template/spec/containers/0/lifecycle/preStop/sleep must have required property seconds")]
    [TestCase("kind: Deployment", "kind: Deploiment", "there is no Deploiment in apps/v1")]
    public async Task Manifest_WithAMistake_IsFound(string text, string mistake, string finding)
    {
        var file = await SaveWithMistakeAsync(DeployFolder.GetFile("kubernetes/postgres/deployment.yaml"), text, mistake);

        Assert.That(await LintAsync("kubernetes", file), Has.Member(finding));
    }

    [Test]
    public async Task Dockerfile_CheckedByAParser_HasNoFindings() =>
        Assert.That(await LintAsync("dockerfile", DeployFolder.Dockerfile), Is.Empty);

    [TestCase("STOPSIGNAL", "STOPSIGN", "Unknown instruction: STOPSIGN")]
    [TestCase("--retries", "--retrys", "Unknown flag: retrys")]
    public async Task Dockerfile_WithAMistake_IsFound(string text, string mistake, string finding)
    {
        var file = await SaveWithMistakeAsync(DeployFolder.Dockerfile, text, mistake);

        Assert.That(await LintAsync("dockerfile", file), Has.Some.EndsWith(finding));
    }

    [Test]
    public async Task Compose_CheckedByALinter_HasNoFindings() => Assert.That(await LintComposeAsync(DeployFolder.Compose), Is.Empty);

    [TestCase("stop_grace_period", "stop_period", "must NOT have additional properties")]
    [TestCase("127.0.0.1:8000:8000", "8000:8000", "without specifying the interface to listen on")]
    public async Task Compose_WithAMistake_IsFound(string text, string mistake, string finding)
    {
        var file = await SaveWithMistakeAsync(DeployFolder.Compose, text, mistake);

        Assert.That(await LintComposeAsync(file), Has.Some.Contains(finding));
    }

    private static async Task<IEnumerable<string>> LintAsync(string check, string file) =>
        JsonNode.Parse(await RunNodeAsync("deploy.mjs", check, file))!.AsArray().Select(p => p!.ToString());

    private static async Task<IEnumerable<string>> LintComposeAsync(string file)
    {
        var reports = JsonNode.Parse(await RunNodeAsync("node_modules/dclint/bin/dclint.cjs", "--config", "dclint.yaml", "--formatter", "json", file));
        return reports!.AsArray().Single().ItemsAt("messages").Select(m => m.TextAt("message")!);
    }

    private static async Task<string> RunNodeAsync(params string[] arguments)
    {
        try
        {
            var result = await CommandResult.RunAsync("node", arguments, LintFolder);
            Assert.That(result.Output, Does.StartWith("["), result.Errors);
            return result.Output;
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"Node.js is not installed. {Install}");
            throw;
        }
    }

    private async Task<string> SaveWithMistakeAsync(string file, string text, string mistake)
    {
        var right = await File.ReadAllTextAsync(file);
        Assert.That(right, Does.Contain(text));
        var copy = folder.File(Path.GetFileName(file));
        await File.WriteAllTextAsync(copy, right.Replace(text, mistake, StringComparison.Ordinal));
        return copy;
    }
}
