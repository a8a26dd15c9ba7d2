using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace AiChat.Tests.Deploy;

/// <summary>The files of <c>deploy/</c>, as they are in the repository.</summary>
internal static class DeployFolder
{
    public static string Repository { get; } = Path.GetFullPath(Path.Combine(GetSourceFolder(), "..", ".."));

    public static string Dockerfile => GetFile("Dockerfile");

    public static string Compose => GetFile("compose.yaml");

    /// <summary>Every file that describes Kubernetes objects, those to copy and change among them.</summary>
    public static IEnumerable<string> Manifests =>
        Directory.EnumerateFiles(GetFile("kubernetes"), "*.yaml", SearchOption.AllDirectories).Where(f => Path.GetFileName(f) != Kustomization);

    private const string Kustomization = "kustomization.yaml";

    public static string GetFile(string path) => Path.Combine(Repository, "deploy", path);

    /// <summary>The files that <c>kubectl apply --kustomize</c> would apply, of the folders it names as well.</summary>
    public static IEnumerable<string> FindResources(string folder)
    {
        var kustomization = YamlFile.ReadOne(Path.Combine(folder, Kustomization));
        Assert.That(kustomization.Select(f => f.Key), Is.SubsetOf(new[] { "apiVersion", "kind", "resources" }));
        return kustomization["resources"]!.AsArray()
            .Select(r => Path.GetFullPath(Path.Combine(folder, r!.GetValue<string>())))
            .SelectMany(r => Directory.Exists(r) ? FindResources(r) : [r]);
    }

    /// <summary>The objects of one of the ways to run on Kubernetes, and the secret that is made before them.</summary>
    public static IReadOnlyList<JsonObject> ReadManifests(string way)
    {
        var folder = GetFile(Path.Combine("kubernetes", way));
        return [.. FindResources(folder).Append(Path.Combine(folder, "secret.example.yaml")).SelectMany(YamlFile.ReadAll)];
    }

    private static string GetSourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
