using System.Globalization;
using AiChat.Infrastructure.Persistence;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Infrastructure.Persistence;

public sealed class DatabaseOptionsTests
{
    private const string Cure =
        "Write sqlite:///./ai_chat.db for a file in the working directory or sqlite:////var/lib/ai_chat.db for an absolute path, or postgresql://user:password@host:5432/database.";

    [Test]
    public void Bind_NothingConfigured_IsAFileInTheWorkingDirectory()
    {
        var options = Bind();

        Assert.That((options.Url, options.SqliteLibrary), Is.EqualTo(("sqlite:///./ai_chat.db", (string?)null)));
    }

    [Test]
    public void Bind_Section_FillsEveryProperty()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("Database:SqliteLibrary", "libsqlite3.so.0"));

        Assert.That((options.Url, options.SqliteLibrary), Is.EqualTo(("sqlite:////data/chat.db", "libsqlite3.so.0")));
    }

    [Test]
    public void Bind_ShortName_Wins()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("DATABASE_URL", "sqlite:///mine.db"));

        Assert.That(options.Url, Is.EqualTo("sqlite:///mine.db"));
    }

    [Test]
    public void Bind_EmptyShortName_IsNone()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("DATABASE_URL", ""));

        Assert.That(options.Url, Is.EqualTo("sqlite:////data/chat.db"));
    }

    [Test]
    public void Validate_Default_IsValid()
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions());

        Assert.That(result.Succeeded, Is.True);
    }

    [TestCase("mysql://user:passw0rd@host/db")]
    [TestCase("sqlite://ai_chat.db")]
    [TestCase("sqlite:///")]
    [TestCase("sqlite:////var/lib/")]
    [TestCase("sqlite:///:memory:")]
    [TestCase("ai_chat.db")]
    [TestCase("")]
    public void Validate_OtherUrls_NamesKeysAndCureButNotTheUrl(string url)
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions { Url = url });

        Assert.That(result.Failures, Is.EqualTo(new[] { $"DATABASE_URL (or Database:Url) is not the URL of an SQLite file or of a PostgreSQL database. {Cure}" }));
    }

    [TestCase(1, "00:00:05", "00:00:10", "Database:MaxConnections is 1: write a number from 2 to 1000.")]
    [TestCase(1001, "00:00:05", "00:00:10", "Database:MaxConnections is 1001: write a number from 2 to 1000.")]
    [TestCase(2, "00:00:00", "00:00:10", "Database:ConnectTimeout is 00:00:00: write a time from 00:00:01 to 00:10:00, such as 00:00:10.")]
    [TestCase(2, "00:00:05", "00:10:01", "Database:CommandTimeout is 00:10:01: write a time from 00:00:01 to 00:10:00, such as 00:00:10.")]
    public void Validate_NumberOutOfRange_NamesKeyAndCure(int connections, string connectTimeout, string commandTimeout, string problem)
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions
        {
            MaxConnections = connections,
            ConnectTimeout = TimeSpan.Parse(connectTimeout, CultureInfo.InvariantCulture),
            CommandTimeout = TimeSpan.Parse(commandTimeout, CultureInfo.InvariantCulture),
        });

        Assert.That(result.Failures, Is.EqualTo(new[] { problem }));
    }

    [Test]
    public void Validate_EverythingWrong_ReportsAllAtOnce()
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions
        {
            Url = "postgresql://user:passw0rd@host",
            MaxConnections = 0,
            ConnectTimeout = TimeSpan.Zero,
            CommandTimeout = TimeSpan.Zero,
        });

        Assert.That(result.Failures, Has.Exactly(4).Items.And.None.Contains("passw0rd"));
    }

    [TestCase("sqlite:////var/lib/ai_chat.db", "/var/lib/ai_chat.db")]
    [TestCase("SQLite:////var/lib/../ai chat.db", "/var/ai chat.db")]
    public void Parse_AbsolutePath_IsIt(string url, string expected)
    {
        Assert.That(SqliteUrl.Parse(url), Is.EqualTo(expected));
    }

    [TestCase("sqlite:///./ai_chat.db", "ai_chat.db")]
    [TestCase("sqlite:///ai_chat.db", "ai_chat.db")]
    [TestCase("sqlite:///data/ai_chat.db", "data/ai_chat.db")]
    public void Parse_RelativePath_StartsAtTheWorkingDirectory(string url, string expected)
    {
        Assert.That(SqliteUrl.Parse(url), Is.EqualTo(Path.Combine(Directory.GetCurrentDirectory(), expected)));
    }

    [Test]
    public void Parse_NoSuchUrl_Throws()
    {
        Assert.That(() => SqliteUrl.Parse("mysql://host/db"), Throws.InstanceOf<FormatException>().With.Message.Contains(Cure));
    }

    private static DatabaseOptions Bind(params (string Key, string Value)[] settings)
    {
        var options = new DatabaseOptions();
        options.Bind(new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build());
        return options;
    }
}
