using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DotNetEnv;

namespace AiChat.Tests.Deploy;

public sealed partial class ComposeTests
{
    private static Dictionary<string, string> Variables =>
        Env.NoEnvVars().Load(DeployFolder.GetFile(".env.example")).ToDictionary(v => v.Key, v => v.Value);

    [Test]
    public void Compose_AsItIs_HasNoProblems() =>
        Assert.That(new ComposeCheck(YamlFile.ReadOne(DeployFolder.Compose), Variables).FindProblems(), Is.Empty);

    [Test]
    public void Proxy_ItsNodes_AreTheService()
    {
        var service = YamlFile.ReadOne(DeployFolder.Compose)["services"]!;
        var proxy = File.ReadAllText(DeployFolder.GetFile("Caddyfile"));

        Assert.That(service.At("aichat"), Is.Not.Null);
        Assert.That(Upstream().Match(proxy).Groups["port"].Value, Is.EqualTo($"{DockerfileCheck.Port}"));
        Assert.That(service.TextAt("proxy/ports/0"), Does.EndWith(":" + Listener().Match(proxy).Groups["port"].Value));
    }

    [TestCase("postgres/image", "\"postgres:14\"", "PostgreSQL is too old")]
    [TestCase("postgres/healthcheck", "null", "migrate waits for postgres, which nobody asks")]
    [TestCase("postgres/environment/POSTGRES_PASSWORD", "\"${PASSWORD}\"", "PASSWORD is in no example")]
    [TestCase("postgres/volumes/0", "\"disk:/var/lib/postgresql/data\"", "postgres mounts disk, which is not there")]
    [TestCase("proxy/image", "\"caddy\"", "proxy changes by itself")]
    [TestCase("proxy/image", "\"caddy:latest\"", "proxy changes by itself")]
    [TestCase("proxy/volumes/0", "\"./caddy.conf:/etc/caddy/Caddyfile:ro\"", "proxy mounts ./caddy.conf, which is not there")]
    [TestCase("proxy/ports/0", "\"8000:8000\"", "proxy is open to everybody")]
    [TestCase("proxy/depends_on", """{ "node": { "condition": "service_started" } }""", "proxy waits for node, which is not there")]
    [TestCase("proxy/security_opt", "[]", "proxy may gain rights")]
    [TestCase("aichat/read_only", "false", "aichat can change its files")]
    [TestCase("aichat/image", "\"aichat:0.0.1\"", "the image is another one")]
    [TestCase("aichat/build", """{ "context": ".." }""", "two services build one image")]
    [TestCase("aichat/deploy/replicas", "1", "one node is not several")]
    [TestCase("aichat/depends_on/migrate/condition", "\"service_started\"", "nodes start before the schema is theirs")]
    [TestCase("aichat/stop_grace_period", "\"10s\"", "it is killed before it ends by itself")]
    [TestCase("aichat/environment/GROQ_API_KEY", "\"gsk_abc\"", "GROQ_API_KEY has a real value")]
    [TestCase("aichat/environment/GROQ_API_KEY", "\"${OPENAI_API_KEY}\"", "GROQ_API_KEY is not used")]
    [TestCase("aichat/environment/Runs__Shutdown", "\"1\"", "Runs__Shutdown is no setting")]
    [TestCase("migrate/command/0", "\"copy\"", "nodes start before the schema is theirs")]
    [TestCase("migrate/restart", "\"always\"", "the migration is repeated")]
    [TestCase("migrate/build/dockerfile", "\"Dockerfile\"", "the image cannot be built")]
    public void Check_ComposeWithAMistake_FindsIt(string path, string value, string problem)
    {
        var compose = YamlFile.ReadOne(DeployFolder.Compose);
        compose.Replace("services/" + path, JsonNode.Parse(value));

        Assert.That(new ComposeCheck(compose, Variables).FindProblems(), Has.Member(problem));
    }

    [Test]
    public void Check_PasswordInTheExample_FindsIt()
    {
        var problems = new ComposeCheck(YamlFile.ReadOne(DeployFolder.Compose), new Dictionary<string, string>(Variables) { ["POSTGRES_PASSWORD"] = "secret" }).FindProblems();

        Assert.That(problems, Is.EqualTo(new[] { "POSTGRES_PASSWORD has a real value" }));
    }

    [GeneratedRegex(@"name aichat\s+port (?<port>\d+)")]
    private static partial Regex Upstream();

    [GeneratedRegex(@"^:(?<port>\d+) \{", RegexOptions.Multiline)]
    private static partial Regex Listener();
}
