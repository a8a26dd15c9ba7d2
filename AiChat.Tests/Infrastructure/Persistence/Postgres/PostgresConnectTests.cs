using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>Servers that cannot be used, and what their operators are told; servers that want TLS.</summary>
public sealed class PostgresConnectTests
{
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;

    [SetUp]
    public void SetUp()
    {
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
    }

    [TearDown]
    public void TearDown()
    {
        loggers.Dispose();
        log.Dispose();
    }

    private static IEnumerable<TestCaseData> Unusable()
    {
        yield return Case("WrongPassword", url => url.Password = "s3cret", "password authentication failed for user \"aichat\".");
        yield return Case("UnknownUser", url => (url.UserName, url.Password) = ("nobody", "s3cret"), "password authentication failed for user \"nobody\".");
        yield return Case("UnknownDatabase", url => url.Path = "/nowhere", "database \"nowhere\" does not exist.");
        yield return Case("NoServer", url => url.Port = 1, "Connection refused.");
        yield return Case("UnknownHost", url => url.Host = "nowhere.invalid", "not known.");
        yield return Case("NoTls", url => url.Query = "?sslmode=require", "SSL");

        static TestCaseData Case(string name, Action<UriBuilder> change, string reason) => new TestCaseData(change, reason).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Unusable))]
    public async Task ReadAsync_DatabaseCannotBeUsed_SaysWhyInOneSentence(Action<UriBuilder> change, string reason)
    {
        var url = new UriBuilder(PostgresServer.RequireUrl());
        change(url);
        await using var database = Open(url.ToString());

        var failure = Assert.ThrowsAsync<UnavailableException>(() => ReadAsync(database));

        var sentence = database.DescribeFailure(failure.InnerException!);
        Assert.Multiple(() =>
        {
            Assert.That(sentence, Does.StartWith($"the PostgreSQL database {url.Host}:{url.Port}{url.Path} cannot be used: ").And.Contain(reason));
            Assert.That(sentence, Does.Contain(" Check DATABASE_URL").And.Not.Contain("\n").And.Not.Contain(".."));
            Assert.That(sentence + string.Join(' ', log.Entries.Select(e => $"{e.Message} {e.Exception}")), Does.Not.Contain("s3cret"));
        });
    }

    /// <summary>A container beside it may still be starting. A wrong password stays wrong.</summary>
    [Test]
    public async Task ReadAsync_ServerIsNotThereYet_WaitsForItsFirstConnection()
    {
        await using var copy = await PostgresServer.CreateDatabaseAsync();
        await using var proxy = CuttingProxy.Start(copy.Url);
        proxy.IsRefusing = true;
        await using var database = Open(proxy.ToUrl(copy.Url), connectTimeout: 60);

        var reading = ReadAsync(database);
        await log.WaitForAsync("cannot be reached");
        proxy.IsRefusing = false;

        Assert.That(await reading, Is.EqualTo(1));
    }

    [Test]
    public async Task ReadAsync_ServerWithACertificateOfItsOwn_IsEncryptedAndVerifiedAsAsked()
    {
        using var folder = new TempFolder();
        await using var server = await OwnPostgresServer.CreateAsync();
        var certificate = folder.File("root.crt");
        await EncryptAsync(server, certificate);

        await using var required = Open(server.Url + "?sslmode=require");
        await using var trusting = Open($"{server.Url}?sslmode=verify-full&sslrootcert={certificate}");
        await using var strict = Open(server.Url + "?sslmode=verify-full");
        await using var mistaken = Open(server.Url + "?sslmode=verify-full&sslrootcert=/nowhere/root.crt");

        const string IsEncryptedSql = "select case when ssl then 1 else 0 end from pg_stat_ssl where pid = pg_backend_pid()";
        Assert.That(await ReadAsync(required, IsEncryptedSql), Is.EqualTo(1));
        Assert.That(await ReadAsync(trusting, IsEncryptedSql), Is.EqualTo(1));
        Assert.That(Refuse(strict), Does.Contain("certificate"));
        Assert.That(Refuse(mistaken), Does.Contain("/nowhere/root.crt"));
    }

    private static string Refuse(PostgresDatabase database) =>
        database.DescribeFailure(Assert.ThrowsAsync<UnavailableException>(() => ReadAsync(database))!.InnerException!);

    /// <summary>Gives the server a certificate that nobody has signed, and starts it anew.</summary>
    /// <param name="server">The server.</param>
    /// <param name="path">Where the certificate is put for its clients.</param>
    private static async Task EncryptAsync(OwnPostgresServer server, string path)
    {
        using var key = RSA.Create(2048);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        await File.WriteAllTextAsync(path, certificate.ExportCertificatePem());

        await using (var connection = await PostgresServer.ConnectAsync(server.Url))
        {
            // By the server itself: the files must be its own, and closed to others.
            await StoreAsync("server.crt", certificate.ExportCertificatePem());
            await StoreAsync("server.key", key.ExportPkcs8PrivateKeyPem());
            await connection.ExecuteAsync("alter system set ssl = on");

            Task StoreAsync(string name, string text) => connection.ExecuteAsync(
                $"copy (select * from unnest(string_to_array('{text}', E'\\n'))) to program 'umask 077 && cat > {name}'");
        }

        await server.RestartAsync();
    }

    private PostgresDatabase Open(string url, int connectTimeout = 1) => new(
        Options.Create(new DatabaseOptions { Url = url, ConnectTimeout = TimeSpan.FromSeconds(connectTimeout) }), loggers);

    private static Task<long> ReadAsync(PostgresDatabase database, string sql = "select 1") =>
        database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), CancellationToken.None);
}
