using System.Globalization;
using System.Text.Json.Nodes;
using AiChat.Api.Configuration;
using AiChat.Api.Health;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Tests.Deploy;

/// <summary>Finds what is wrong with Kubernetes objects that are applied together, beyond what their schemas say.</summary>
internal sealed class ManifestCheck(IReadOnlyList<JsonObject> objects)
{
    private const string Pod = "spec/template/spec";
    private const string PodLabels = "spec/template/metadata/labels";

    private static readonly string[] Routes =
        [.. typeof(HealthController).GetMethods().SelectMany(m => m.GetCustomAttributes(false).OfType<HttpGetAttribute>()).Select(a => a.Template!)];

    private IEnumerable<JsonObject> Workloads => objects.Where(o => o.At(Pod) is not null);

    public IEnumerable<string> FindProblems() =>
    [
        .. objects.GroupBy(o => $"{o["kind"]} {o.TextAt("metadata/name")}").Where(g => g.Count() > 1).Select(g => $"{g.Key} is there twice"),
        .. OfKind("ConfigMap").SelectMany(CheckSettings),
        .. OfKind("Secret").SelectMany(CheckSecret),
        .. OfKind("Service").SelectMany(CheckService),
        .. OfKind("PodDisruptionBudget").SelectMany(CheckBudget),
        .. OfKind("Deployment").SelectMany(CheckDeployment),
        .. OfKind("StatefulSet").SelectMany(CheckStatefulSet),
        .. Workloads.SelectMany(CheckWorkload),
    ];

    private IEnumerable<JsonObject> OfKind(string kind) => objects.Where(o => o.TextAt("kind") == kind);

    private static IEnumerable<string> CheckSettings(JsonObject map) => map.FieldsAt("data").SelectMany(s => CheckSetting(s.Key).Concat(
        KnownSettings.Secret.Contains(s.Key) ? [$"{s.Key} is a secret"] : []));

    private static IEnumerable<string> CheckSecret(JsonObject secret) => secret.FieldsAt("stringData").SelectMany(s => CheckSetting(s.Key).Concat(
        s.Value!.ToString().Contains("REPLACE_ME", StringComparison.Ordinal) ? [] : [$"{s.Key} has a real value"]));

    private static IEnumerable<string> CheckSetting(string name) => KnownSettings.Contains(name) ? [] : [$"{name} is no setting"];

    private IEnumerable<string> CheckService(JsonObject service)
    {
        var workload = FindWorkload(service.At("spec/selector"));
        if (workload is null)
            return ["a service selects no pods"];
        var ports = GetContainers(workload).SelectMany(c => c.ItemsAt("ports")).Select(p => p.TextAt("name"));
        return service.ItemsAt("spec/ports").Where(p => !ports.Contains(p.TextAt("targetPort"))).Select(p => $"no pod has the port {p.TextAt("targetPort")}");
    }

    private IEnumerable<string> CheckBudget(JsonObject budget)
    {
        var workload = FindWorkload(budget.At("spec/selector/matchLabels"));
        if (workload is null)
            return ["a budget selects no pods"];
        var unavailable = budget.NumberAt("spec/maxUnavailable");
        return unavailable >= 1 && unavailable < workload.NumberAt("spec/replicas") ? [] : ["a budget keeps no pod, or every pod, from being moved"];
    }

    private IEnumerable<string> CheckDeployment(JsonObject deployment)
    {
        if (deployment.NumberAt("spec/replicas") < 2)
            yield return "one node is not several";
        if (deployment.TextAt("spec/strategy/rollingUpdate/maxUnavailable") != "0")
            yield return "an update takes a node away before another one answers";
        if (GetServer(deployment).NumberAt("lifecycle/preStop/sleep/seconds") == 0)
            yield return "a node stops while load balancers still send to it";
        if (deployment.ItemsAt(Pod + "/initContainers").All(c => c.TextAt("args/0") != "migrate"))
            yield return "nobody migrates";
        if (!OfKind("PodDisruptionBudget").Any())
            yield return "there is no budget";
        foreach (var constraint in deployment.ItemsAt(Pod + "/topologySpreadConstraints"))
        {
            if (!Selects(constraint.At("labelSelector/matchLabels"), deployment))
                yield return "pods of others are spread";
        }
    }

    private IEnumerable<string> CheckStatefulSet(JsonObject set)
    {
        if (set.NumberAt("spec/replicas") != 1)
            yield return "two processes would open one file";
        if (!OfKind("Service").Any(s => s.TextAt("metadata/name") == set.TextAt("spec/serviceName") && s.TextAt("spec/clusterIP") == "None"))
            yield return "there is no headless service of that name";
        var claims = set.ItemsAt("spec/volumeClaimTemplates").Select(c => c.TextAt("metadata/name"));
        if (!GetServer(set).ItemsAt("volumeMounts").Any(m => m.TextAt("mountPath") == "/data" && claims.Contains(m.TextAt("name"))))
            yield return "the database is on no volume";
    }

    private IEnumerable<string> CheckWorkload(JsonObject workload)
    {
        var pod = workload.At(Pod);
        if (!Selects(workload.At("spec/selector/matchLabels"), workload))
            yield return "a workload does not select its own pods";
        if (!pod.IsTrueAt("securityContext/runAsNonRoot") || pod.NumberAt("securityContext/runAsUser") == 0)
            yield return "it may run as root";
        if (pod.TextAt("securityContext/seccompProfile/type") != "RuntimeDefault")
            yield return "it may make any system call";
        if (pod.TextAt("automountServiceAccountToken") != "false")
            yield return "it can talk to the cluster";
        foreach (var problem in CheckEnd(workload).Concat(CheckProbes(GetServer(workload))).Concat(GetContainers(workload).SelectMany(CheckContainer)))
            yield return problem;
    }

    private IEnumerable<string> CheckEnd(JsonObject workload)
    {
        var settings = OfKind("ConfigMap").Select(m => m.TextAt("data/Runs__ShutdownTimeout")).OfType<string>().SingleOrDefault();
        var replies = TimeSpan.Parse(settings ?? KnownSettings.GetDefault("Runs:ShutdownTimeout")!, CultureInfo.InvariantCulture);
        var process = TimeSpan.FromSeconds(Math.Max(replies.TotalSeconds, HttpServerSetup.ShutdownTimeout.TotalSeconds));
        var sleep = TimeSpan.FromSeconds(GetServer(workload).NumberAt("lifecycle/preStop/sleep/seconds"));
        return TimeSpan.FromSeconds(workload.NumberAt(Pod + "/terminationGracePeriodSeconds")) > sleep + process
            ? []
            : ["it is killed before it ends by itself"];
    }

    private static IEnumerable<string> CheckProbes(JsonNode server)
    {
        foreach (var (probe, route) in new[] { ("startupProbe", "/health/live"), ("readinessProbe", "/health/ready"), ("livenessProbe", "/health/live") })
        {
            var path = server.TextAt(probe + "/httpGet/path");
            if (path != route)
                yield return $"{probe} does not ask {route}";
            if (!Routes.Contains(path))
                yield return $"{path} is no route";
            if (server.TextAt(probe + "/httpGet/port") != server.TextAt("ports/0/name"))
                yield return $"{probe} asks another port";
        }

        if (server.NumberAt("ports/0/containerPort") != DockerfileCheck.Port)
            yield return "the image listens on another port";
    }

    private IEnumerable<string> CheckContainer(JsonNode container)
    {
        if (container.TextAt("image") != DockerfileCheck.Image)
            yield return "the image is another one";
        if (!container.IsTrueAt("securityContext/readOnlyRootFilesystem"))
            yield return "its files can be changed";
        if (container.TextAt("securityContext/allowPrivilegeEscalation") != "false")
            yield return "it may gain rights";
        if (container.ItemsAt("securityContext/capabilities/drop").All(c => c.ToString() != "ALL") || container.At("securityContext/capabilities/add") is not null)
            yield return "it has capabilities";
        if (container.At("resources/requests/cpu") is null || container.At("resources/requests/memory") is null || container.At("resources/limits/memory") is null)
            yield return "it may take any memory";
        foreach (var problem in container.ItemsAt("env").SelectMany(e => CheckSetting(e.TextAt("name")!)))
            yield return problem;
        foreach (var (field, kind) in new[] { ("configMapRef", "ConfigMap"), ("secretRef", "Secret") })
        {
            var names = container.ItemsAt("envFrom").Select(e => e.TextAt(field + "/name")).OfType<string>();
            foreach (var name in names.Where(n => OfKind(kind).All(o => o.TextAt("metadata/name") != n)))
                yield return $"there is no {kind} {name}";
        }
    }

    private static JsonNode GetServer(JsonObject workload) => workload.At(Pod + "/containers/0")!;

    private static IEnumerable<JsonNode> GetContainers(JsonObject workload) =>
        workload.ItemsAt(Pod + "/initContainers").Concat(workload.ItemsAt(Pod + "/containers"));

    private JsonObject? FindWorkload(JsonNode? selector) => Workloads.FirstOrDefault(w => Selects(selector, w));

    private static bool Selects(JsonNode? selector, JsonObject workload) =>
        selector is JsonObject { Count: > 0 } labels && labels.All(l => workload.At(PodLabels)?[l.Key]?.ToString() == l.Value!.ToString());
}
