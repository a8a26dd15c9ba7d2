using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiChat.Api.Configuration;

namespace AiChat.Tests.Deploy;

/// <summary>Finds what is wrong with the compose file, beyond its schema.</summary>
/// <param name="compose">The file.</param>
/// <param name="variables">What <c>.env.example</c> names, with its values.</param>
internal sealed partial class ComposeCheck(JsonObject compose, IReadOnlyDictionary<string, string> variables)
{
    private const int OldestPostgres = 15;

    private JsonObject Services => compose["services"]!.AsObject();

    public IEnumerable<string> FindProblems()
    {
        var used = Variable().Matches(compose.ToJsonString()).Select(m => m.Groups["name"].Value).ToHashSet();
        return
        [
            .. used.Except(variables.Keys).Select(v => $"{v} is in no example"),
            .. variables.Keys.Except(used).Select(v => $"{v} is not used"),
            .. variables.Where(v => v.Value.Length > 0).Select(v => $"{v.Key} has a real value"),
            .. Services.SelectMany(s => CheckService(s.Key, s.Value!)),
            .. CheckNodes(),
            .. int.Parse(Services.TextAt("postgres/image")!.Split(':')[1], CultureInfo.InvariantCulture) < OldestPostgres ? ["PostgreSQL is too old"] : Array.Empty<string>(),
        ];
    }

    [GeneratedRegex(@"\$\{(?<name>\w+)")]
    private static partial Regex Variable();

    private IEnumerable<string> CheckService(string name, JsonNode service)
    {
        var image = service.TextAt("image")!;
        if (!image.Contains(':', StringComparison.Ordinal) || image.EndsWith(":latest", StringComparison.Ordinal))
            yield return $"{name} changes by itself";
        if (!service.IsTrueAt("read_only"))
            yield return $"{name} can change its files";
        if (service.ItemsAt("security_opt").All(o => o.ToString() != "no-new-privileges:true"))
            yield return $"{name} may gain rights";
        foreach (var (other, wish) in service.FieldsAt("depends_on"))
        {
            if (Services[other] is not { } found)
                yield return $"{name} waits for {other}, which is not there";
            else if (wish.TextAt("condition") == "service_healthy" && found.At("healthcheck") is null && found.TextAt("image") != DockerfileCheck.Image)
                yield return $"{name} waits for {other}, which nobody asks";
        }

        foreach (var source in service.ItemsAt("volumes").Select(v => v.ToString().Split(':')[0]))
        {
            if (source.StartsWith('.') ? !Path.Exists(DeployFolder.GetFile(source)) : compose.At("volumes")?.AsObject().ContainsKey(source) != true)
                yield return $"{name} mounts {source}, which is not there";
        }

        foreach (var port in service.ItemsAt("ports").Select(p => p.ToString()))
        {
            if (!port.StartsWith("127.0.0.1:", StringComparison.Ordinal))
                yield return $"{name} is open to everybody";
        }
    }

    private IEnumerable<string> CheckNodes()
    {
        var node = Services["aichat"]!;
        var migration = Services["migrate"]!;
        if (node.NumberAt("deploy/replicas") < 2)
            yield return "one node is not several";
        if (migration.TextAt("command/0") != "migrate" || node.TextAt("depends_on/migrate/condition") != "service_completed_successfully")
            yield return "nodes start before the schema is theirs";
        if (migration.TextAt("restart") != "no")
            yield return "the migration is repeated";
        if (new[] { node, migration }.Any(s => s.TextAt("image") != DockerfileCheck.Image))
            yield return "the image is another one";
        if (Path.GetFullPath(DeployFolder.GetFile(migration.TextAt("build/context")!)) != DeployFolder.Repository
            || !File.Exists(Path.Combine(DeployFolder.Repository, migration.TextAt("build/dockerfile")!)))
        {
            yield return "the image cannot be built";
        }

        if (node.At("build") is not null)
            yield return "two services build one image";
        if (!int.TryParse(node.TextAt("stop_grace_period")?.TrimEnd('s'), out var seconds) || TimeSpan.FromSeconds(seconds) <= HttpServerSetup.ShutdownTimeout)
            yield return "it is killed before it ends by itself";
        foreach (var (name, value) in node.FieldsAt("environment").Concat(migration.FieldsAt("environment")))
        {
            if (!KnownSettings.Contains(name))
                yield return $"{name} is no setting";
            if (KnownSettings.Secret.Contains(name) && !value!.ToString().Contains("${", StringComparison.Ordinal))
                yield return $"{name} has a real value";
        }
    }
}
