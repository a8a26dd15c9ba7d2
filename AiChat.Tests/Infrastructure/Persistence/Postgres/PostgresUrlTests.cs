using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using Npgsql;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

public sealed class PostgresUrlTests
{
    private const string Cure = "Write postgresql://user:password@host:5432/database.";

    [TestCase("postgresql://anna:secret@db.example:6432/chats")]
    [TestCase("postgres://anna:secret@db.example:6432/chats")]
    [TestCase("POSTGRESQL://anna:secret@db.example:6432/chats")]
    [TestCase("postgresql+asyncpg://anna:secret@db.example:6432/chats")]
    [TestCase("postgresql://db.example:6432/chats?user=anna&password=secret")]
    [TestCase("postgresql://db.example/chats?user=anna&password=secret&port=6432")]
    public void Parse_Url_NamesTheServerAndWhoAsks(string url)
    {
        var settings = Parse(url);

        Assert.That((settings.Host, settings.Port, settings.Database, settings.Username, settings.Password), Is.EqualTo(
            ("db.example", 6432, "chats", "anna", "secret")));
    }

    [TestCase("postgresql://anna:p%40ss%2Fw%3Ard%3F%26%25@host/db", "p@ss/w:rd?&%")]
    [TestCase("postgresql://anna:p@ss@host/db", "p@ss")]
    [TestCase("postgresql://anna:a:b@host/db", "a:b")]
    [TestCase("postgresql://anna:%27;Host=evil@host/db", "';Host=evil")]
    [TestCase("postgresql://anna:a+b@host/db", "a+b")]
    [TestCase("postgresql://anna:%C3%A4@host/db", "ä")]
    public void Parse_PasswordWithSpecialCharacters_IsTakenAsItIs(string url, string password)
    {
        var settings = Parse(url);

        Assert.That((settings.Username, settings.Password, settings.Host), Is.EqualTo(("anna", password, "host")));
    }

    [TestCase("postgresql://[::1]/db", "::1", 5432)]
    [TestCase("postgresql://[::1]:6432/db", "::1", 6432)]
    [TestCase("postgresql://anna@[2001:db8::7]:6432/db", "2001:db8::7", 6432)]
    [TestCase("postgresql://%2Fvar%2Frun%2Fpostgresql/db", "/var/run/postgresql", 5432)]
    [TestCase("postgresql://one:5432,two:5433,three/db", "one:5432,two:5433,three", 5432)]
    [TestCase("postgresql://[::1]:5432,[::2]:5433/db", "[::1]:5432,[::2]:5433", 5432)]
    public void Parse_Hosts_AreWhatTheDriverWants(string url, string host, int port)
    {
        var settings = Parse(url);

        Assert.That((settings.Host, settings.Port), Is.EqualTo((host, port)));
    }

    [TestCase("disable", SslMode.Disable)]
    [TestCase("allow", SslMode.Allow)]
    [TestCase("prefer", SslMode.Prefer)]
    [TestCase("require", SslMode.Require)]
    [TestCase("verify-ca", SslMode.VerifyCA)]
    [TestCase("verify-full", SslMode.VerifyFull)]
    public void Parse_SslMode_HasTheWordsOfLibpq(string word, SslMode expected)
    {
        Assert.That(Parse($"postgresql://host/db?sslmode={word}").SslMode, Is.EqualTo(expected));
    }

    [Test]
    public void Parse_Settings_ReachTheDriver()
    {
        var settings = Parse(
            "postgresql://host/db?sslrootcert=%2Fca.pem&sslcert=%2Fme.pem&sslkey=%2Fme.key&channel_binding=require&application_name=mine"
            + "&target_session_attrs=read-write&load_balance_hosts=random&keepalives_idle=30&options=-c%20work_mem%3D8MB");

        Assert.Multiple(() =>
        {
            Assert.That((settings.RootCertificate, settings.SslCertificate, settings.SslKey), Is.EqualTo(("/ca.pem", "/me.pem", "/me.key")));
            Assert.That((settings.ChannelBinding, settings.ApplicationName), Is.EqualTo((ChannelBinding.Require, "mine")));
            Assert.That((settings.TargetSessionAttributes, settings.LoadBalanceHosts, settings.TcpKeepAliveTime), Is.EqualTo(("read-write", true, 30)));
            Assert.That(settings.Options, Does.EndWith(" -c work_mem=8MB"));
        });
    }

    [TestCase("postgresql://host/db", 7)]
    [TestCase("postgresql://host/db?connect_timeout=3", 3)]
    [TestCase("postgresql://host/db?connect_timeout=15", 15)]
    public void Parse_ConnectTimeout_OfTheUrlWins(string url, int seconds)
    {
        var settings = Parse(new DatabaseOptions { Url = url, ConnectTimeout = TimeSpan.FromSeconds(6.5), CommandTimeout = TimeSpan.FromSeconds(11) });

        Assert.That((settings.Timeout, settings.CommandTimeout), Is.EqualTo((seconds, 11)));
    }

    [TestCase("postgresql:/host/db", "is not the URL of a PostgreSQL database. " + Cure)]
    [TestCase("postgresqlx://host/db", "is not the URL of a PostgreSQL database. " + Cure)]
    [TestCase("postgresql:///db", "names no host. " + Cure)]
    [TestCase("postgresql://host", "names no database. " + Cure)]
    [TestCase("postgresql://anna:secret@host/", "names no database. " + Cure)]
    [TestCase("postgresql://anna:secret@host:0/db", "has a port that is no number from 1 to 65535. " + Cure)]
    [TestCase("postgresql://anna:secret@host:65536/db", "has a port that is no number from 1 to 65535. " + Cure)]
    [TestCase("postgresql://anna:secret@host:x/db", "has a port that is no number from 1 to 65535. " + Cure)]
    [TestCase("postgresql://host/db?sslmode=secret", "holds a setting that cannot be read. " + Cure)]
    [TestCase("postgresql://host/db?port=secret", "holds a setting that cannot be read. " + Cure)]
    [TestCase("postgresql://anna:secret/secret@host/db", "has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. " + Cure)]
    [TestCase("postgresql://anna:5/secret@host/db", "has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. " + Cure)]
    [TestCase("postgresql://anna:p@ss?secret@host/db", "has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. " + Cure)]
    [TestCase("postgresql://anna:p@ss/secret@host/db", "has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. " + Cure)]
    [TestCase("postgresql://anna:5?secret@host/db", "has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. " + Cure)]
    public void FindProblem_NoSuchUrl_SaysWhatToWriteAndNoPassword(string url, string problem)
    {
        Assert.That(PostgresUrl.FindProblem(url), Is.EqualTo(problem));
        Assert.That(problem, Does.Not.Contain("secret"));
    }

    [TestCase("postgresql://anna:secret@one:5432,two:x/db", "has a port that is no number from 1 to 65535. " + Cure)]
    [TestCase("postgresql://anna:secret@one,,two/db", "has a comma without a host beside it. Write postgresql://user:password@one:5432,two:5432/database.")]
    [TestCase("postgresql://anna:secret@/db?host=one:x,two", "names a host or port that cannot be read. Write postgresql://user:password@one:5432,two:5432/database.")]
    [TestCase("postgresql://one,two/db?target_session_attrs=secret", "holds a setting that cannot be read. " + Cure)]
    public void FindProblem_SeveralHosts_SaysWhatToWrite(string url, string problem)
    {
        Assert.That(PostgresUrl.FindProblem(url), Is.EqualTo(problem));
    }

    [TestCase("host")]
    [TestCase("one,two")]
    public void FindProblem_SettingsThatTheDriverDoesNotTakeTogether_NamesThem(string hosts)
    {
        var problem = PostgresUrl.FindProblem($"postgresql://anna:secret@{hosts}/db?sslnegotiation=direct");

        Assert.That(problem, Does.StartWith("holds settings that cannot be used together: SSL Mode has to be Require or higher").And.EndsWith("SSL Negotiation."));
        Assert.That(problem, Does.Not.Contain("secret"));
    }

    [Test]
    public void FindProblem_TargetSession_IsTakenWithAnyNumberOfHosts(
        [Values("host", "one,two:6432", "[::1]:5432,[::2]")] string hosts,
        [Values("any", "read-write", "read-only", "primary", "standby", "prefer-primary", "prefer-standby")] string target)
    {
        Assert.That(PostgresUrl.FindProblem($"postgresql://anna:secret@{hosts}/db?target_session_attrs={target}"), Is.Null);
    }

    [Test]
    public void FindProblem_UnknownSetting_NamesItAndThoseThatAreKnown()
    {
        var problem = PostgresUrl.FindProblem("postgresql://anna:secret@host/db?sslmodus=require");

        Assert.That(problem, Does.StartWith("has the setting 'sslmodus', which is not known. Known are sslmode, sslrootcert, ").And.Not.Contain("secret"));
    }

    [Test]
    public void Parse_NoSuchUrl_Throws()
    {
        Assert.That(() => Parse("postgresql://host"), Throws.InstanceOf<FormatException>());
    }

    private static NpgsqlConnectionStringBuilder Parse(string url) => Parse(new DatabaseOptions { Url = url });

    private static NpgsqlConnectionStringBuilder Parse(DatabaseOptions options) => new(PostgresUrl.Parse(options));
}
