using System.Text.Json.Nodes;

namespace AiChat.Tests.Deploy;

public sealed class ManifestTests
{
    private static readonly string[] Ways = ["postgres", "sqlite"];

    [TestCaseSource(nameof(Ways))]
    public void Manifests_OfEachWay_HaveNoProblems(string way) =>
        Assert.That(new ManifestCheck(DeployFolder.ReadManifests(way)).FindProblems(), Is.Empty);

    [Test]
    public void Manifests_InTheFolders_AreAppliedOrExamples()
    {
        var applied = Ways.SelectMany(w => DeployFolder.FindResources(DeployFolder.GetFile($"kubernetes/{w}")));

        var others = DeployFolder.Manifests.Except(applied).Select(f => Path.GetFileName(f)!);
        Assert.That(others, Has.All.EndsWith(".example.yaml").Or.EqualTo("secret.yaml"));
    }

    /// <summary>Both ways describe the same server, each in full, so that they can be read; this keeps them from drifting apart.</summary>
    [TestCase("securityContext/seccompProfile")]
    [TestCase("securityContext/runAsUser")]
    [TestCase("containers/0/image")]
    [TestCase("containers/0/ports")]
    [TestCase("containers/0/securityContext")]
    [TestCase("containers/0/readinessProbe")]
    [TestCase("containers/0/livenessProbe")]
    [TestCase("containers/0/resources")]
    public void Pods_OfBothWays_AreTheSame(string path)
    {
        var parts = Ways.Select(w => DeployFolder.ReadManifests(w).Select(o => o.At("spec/template/spec")).OfType<JsonNode>().Single().At(path)!.ToJsonString()).ToList();

        Assert.That(parts[0], Is.EqualTo(parts[1]));
    }

    [TestCase("Deployment", "spec/replicas", "1", "one node is not several")]
    [TestCase("Deployment", "spec/strategy/rollingUpdate/maxUnavailable", "1", "an update takes a node away before another one answers")]
    [TestCase("Deployment", "spec/selector/matchLabels", """{ "app": "other" }""", "a workload does not select its own pods")]
    [TestCase("Deployment", "spec/template/metadata/labels", """{ "app": "other" }""", "a service selects no pods")]
    [TestCase("Deployment", "spec/template/metadata/labels", """{ "app": "other" }""", "a budget selects no pods")]
    [TestCase("Deployment", "spec/template/metadata/labels", """{ "app": "other" }""", "pods of others are spread")]
    [TestCase("Deployment", "spec/template/spec/automountServiceAccountToken", "true", "it can talk to the cluster")]
    [TestCase("Deployment", "spec/template/spec/terminationGracePeriodSeconds", "30", "it is killed before it ends by itself")]
    [TestCase("Deployment", "spec/template/spec/securityContext/runAsNonRoot", "false", "it may run as root")]
    [TestCase("Deployment", "spec/template/spec/securityContext/runAsUser", "0", "it may run as root")]
    [TestCase("Deployment", "spec/template/spec/securityContext/seccompProfile", "null", "it may make any system call")]
    [TestCase("Deployment", "spec/template/spec/initContainers", "[]", "nobody migrates")]
    [TestCase("Deployment", "spec/template/spec/initContainers/0/image", "\"aichat:latest\"", "the image is another one")]
    [TestCase("Deployment", "spec/template/spec/containers/0/lifecycle", "null", "a node stops while load balancers still send to it")]
    [TestCase("Deployment", "spec/template/spec/containers/0/livenessProbe/httpGet/path", "\"/health/ready\"", "livenessProbe does not ask /health/live")]
    [TestCase("Deployment", "spec/template/spec/containers/0/readinessProbe/httpGet/path", "\"/ready\"", "/ready is no route")]
    [TestCase("Deployment", "spec/template/spec/containers/0/startupProbe/httpGet/port", "\"web\"", "startupProbe asks another port")]
    [TestCase("Deployment", "spec/template/spec/containers/0/ports/0/containerPort", "8080", "the image listens on another port")]
    [TestCase("Deployment", "spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", "false", "its files can be changed")]
    [TestCase("Deployment", "spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation", "null", "it may gain rights")]
    [TestCase("Deployment", "spec/template/spec/containers/0/securityContext/capabilities/drop", "[]", "it has capabilities")]
    [TestCase("Deployment", "spec/template/spec/containers/0/resources/limits", "null", "it may take any memory")]
    [TestCase("Deployment", "spec/template/spec/containers/0/env", """[{ "name": "Runs__Shutdown" }]""", "Runs__Shutdown is no setting")]
    [TestCase("Deployment", "spec/template/spec/containers/0/envFrom/1/secretRef/name", "\"keys\"", "there is no Secret keys")]
    [TestCase("Service", "spec/ports/0/targetPort", "\"web\"", "no pod has the port web")]
    [TestCase("PodDisruptionBudget", "spec/maxUnavailable", "3", "a budget keeps no pod, or every pod, from being moved")]
    [TestCase("PodDisruptionBudget", "spec/maxUnavailable", "0", "a budget keeps no pod, or every pod, from being moved")]
    [TestCase("PodDisruptionBudget", "kind", "\"Other\"", "there is no budget")]
    [TestCase("Secret", "stringData/GROQ_API_KEY", "\"gsk_abc\"", "GROQ_API_KEY has a real value")]
    [TestCase("ConfigMap", "data/GROQ_API_KEY", "\"REPLACE_ME\"", "GROQ_API_KEY is a secret")]
    [TestCase("ConfigMap", "data/Runs__ShutdownTimeout", "\"00:01:00\"", "it is killed before it ends by itself")]
    public void Check_PostgresWithAMistake_FindsIt(string kind, string path, string value, string problem) =>
        AssertFinds("postgres", kind, path, value, problem);

    [TestCase("StatefulSet", "spec/replicas", "2", "two processes would open one file")]
    [TestCase("StatefulSet", "spec/serviceName", "\"aichat\"", "there is no headless service of that name")]
    [TestCase("StatefulSet", "spec/volumeClaimTemplates/0/metadata/name", "\"disk\"", "the database is on no volume")]
    [TestCase("StatefulSet", "spec/template/spec/terminationGracePeriodSeconds", "20", "it is killed before it ends by itself")]
    [TestCase("Service", "metadata/name", "\"aichat-pods\"", "Service aichat-pods is there twice")]
    public void Check_SqliteWithAMistake_FindsIt(string kind, string path, string value, string problem) =>
        AssertFinds("sqlite", kind, path, value, problem);

    private static void AssertFinds(string way, string kind, string path, string value, string problem)
    {
        var objects = DeployFolder.ReadManifests(way);
        objects.First(o => o.TextAt("kind") == kind).Replace(path, JsonNode.Parse(value));

        Assert.That(new ManifestCheck(objects).FindProblems(), Has.Member(problem));
    }
}
