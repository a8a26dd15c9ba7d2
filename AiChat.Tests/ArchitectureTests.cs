using System.Reflection;
using AiChat.Core.Chats;
using AiChat.Infrastructure.Persistence;

namespace AiChat.Tests;

/// <summary>Who may refer to whom. What a project uses, not what it could use: a package without a use is no reference.</summary>
public sealed class ArchitectureTests
{
    private static readonly Assembly Core = typeof(Chat).Assembly;
    private static readonly Assembly Infrastructure = typeof(DatabaseOptions).Assembly;
    private static readonly Assembly Api = typeof(Program).Assembly;

    [Test]
    public void Core_Projects_AreNone()
    {
        Assert.That(ReferencesOf(Core), Has.None.StartsWith("AiChat."));
    }

    [Test]
    public void Infrastructure_Projects_AreCoreAlone()
    {
        Assert.That(ReferencesOf(Infrastructure).Where(IsOurs), Is.EqualTo(new[] { "AiChat.Core" }));
    }

    [Test]
    public void Api_Projects_AreCoreAndInfrastructure()
    {
        Assert.That(ReferencesOf(Api).Where(IsOurs), Is.EquivalentTo(new[] { "AiChat.Core", "AiChat.Infrastructure" }));
    }

    [TestCase("Microsoft.AspNetCore")]
    [TestCase("System.Net.Http")]
    [TestCase("System.Data")]
    [TestCase("Dapper")]
    [TestCase("Microsoft.Data.Sqlite")]
    [TestCase("SQLitePCLRaw")]
    [TestCase("Npgsql")]
    [TestCase("OpenAI")]
    [TestCase("System.ClientModel")]
    [TestCase("Anthropic")]
    [TestCase("Serilog")]
    [TestCase("OpenTelemetry")]
    public void Core_HttpSqlAndVendors_AreUnknownToIt(string name)
    {
        Assert.That(ReferencesOf(Core), Has.None.StartsWith(name));
    }

    [TestCase("Microsoft.AspNetCore")]
    [TestCase("Swashbuckle")]
    [TestCase("FluentValidation")]
    [TestCase("Serilog")]
    [TestCase("OpenTelemetry")]
    public void Infrastructure_HttpEndpoints_AreUnknownToIt(string name)
    {
        Assert.That(ReferencesOf(Infrastructure), Has.None.StartsWith(name));
    }

    [TestCase("Dapper")]
    [TestCase("System.Data")]
    [TestCase("Microsoft.Data.Sqlite")]
    [TestCase("SQLitePCLRaw")]
    [TestCase("Npgsql")]
    [TestCase("OpenAI")]
    [TestCase("System.ClientModel")]
    [TestCase("Anthropic")]
    public void Api_SqlAndVendors_AreUnknownToIt(string name)
    {
        Assert.That(ReferencesOf(Api), Has.None.StartsWith(name));
    }

    /// <summary>The test above would pass for ever if the names it looks for were not those of the assemblies.</summary>
    [TestCase("Dapper")]
    [TestCase("Microsoft.Data.Sqlite")]
    [TestCase("SQLitePCLRaw.batteries_v2")]
    [TestCase("OpenAI")]
    [TestCase("System.ClientModel")]
    public void Infrastructure_SqlAndVendors_AreKnownToItUnderThatName(string name)
    {
        Assert.That(ReferencesOf(Infrastructure), Does.Contain(name));
    }

    private static string[] ReferencesOf(Assembly assembly) => [.. assembly.GetReferencedAssemblies().Select(r => r.Name!)];

    private static bool IsOurs(string name) => name.StartsWith("AiChat.", StringComparison.Ordinal);
}
