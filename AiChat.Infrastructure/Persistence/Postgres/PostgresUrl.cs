using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>
/// A database URL as libpq reads it (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING):
/// <c>postgresql://user:password@host:port/database?sslmode=verify-full</c>. Several hosts are separated by commas; <see cref="PostgresSource"/>
/// chooses among them. A driver's name behind the scheme (<c>postgresql+asyncpg</c>), which SQLAlchemy's users write, is ignored.
/// </summary>
public static class PostgresUrl
{
    private const string Cure = "Write postgresql://user:password@host:5432/database.";

    private const string SeveralCure = "Write postgresql://user:password@one:5432,two:5432/database.";

    /// <summary>
    /// How long a transaction may wait for its next statement. A process that is paused in the middle of one keeps others from what it has
    /// locked for so long: they must not wait for it when its lease has ended, and take over its runs.
    /// </summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>What libpq calls a setting, and what our driver calls it.</summary>
    private static readonly Dictionary<string, string> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["sslmode"] = "SSL Mode",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslpassword"] = "SSL Password",
        ["sslnegotiation"] = "SSL Negotiation",
        ["channel_binding"] = "Channel Binding",
        ["gssencmode"] = "GSS Encryption Mode",
        ["application_name"] = "Application Name",
        ["connect_timeout"] = "Timeout",
        ["keepalives_idle"] = "Tcp Keepalive Time",
        ["target_session_attrs"] = "Target Session Attributes",
        ["load_balance_hosts"] = "Load Balance Hosts",
        ["options"] = "Options",
        ["passfile"] = "Passfile",
        ["host"] = "Host",
        ["port"] = "Port",
        ["user"] = "Username",
        ["password"] = "Password",
        ["dbname"] = "Database",
    };

    /// <summary>The URL as our driver wants it, with the settings beside it.</summary>
    /// <exception cref="FormatException">It is no such URL.</exception>
    public static string Parse(DatabaseOptions options)
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Timeout = (int)Math.Ceiling(options.ConnectTimeout.TotalSeconds),
            CommandTimeout = (int)Math.Ceiling(options.CommandTimeout.TotalSeconds),
        };
        Read(options.Url, settings);
        settings.MaxAutoPrepare = 200;
        settings.AutoPrepareMinUsages = 2;
        // Connections go back without a trace, so there is nothing to reset.
        settings.NoResetOnClose = true;
        settings.ApplicationName ??= "aichat";
        settings.IncludeErrorDetail = false;
        settings.Options = $"-c idle_in_transaction_session_timeout={(int)LongestPause.TotalMilliseconds} {settings.Options}".TrimEnd();
        return settings.ToString();
    }

    /// <inheritdoc cref="DatabaseUrl.FindProblem"/>
    public static string? FindProblem(string url)
    {
        try
        {
            Read(url, new NpgsqlConnectionStringBuilder());
        }
        catch (Exception failure) when (failure is FormatException or ArgumentException)
        {
            return failure is FormatException ? failure.Message : $"holds a setting that cannot be read. {Cure}";
        }

        try
        {
            // Which settings go together is checked when connections are about to be made.
            new PostgresSource(new NpgsqlDataSourceBuilder(Parse(new DatabaseOptions { Url = url }))).Dispose();
            return null;
        }
        catch (Exception failure) when (failure is ArgumentException or NotSupportedException or InvalidOperationException)
        {
            return $"holds settings that cannot be used together: {failure.Message.TrimEnd('.')}.";
        }
        catch (FormatException)
        {
            // Hosts that are named among the settings are read there only.
            return $"names a host or port that cannot be read. {SeveralCure}";
        }
    }

    private static void Read(string url, NpgsqlConnectionStringBuilder settings)
    {
        var scheme = url.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0 || url[..scheme].Split('+')[0].ToLowerInvariant() is not ("postgresql" or "postgres"))
            throw new FormatException($"is not the URL of a PostgreSQL database. {Cure}");

        var (rest, query) = Split(url[(scheme + 3)..], '?');
        var (authority, database) = Split(rest, '/');
        var at = authority.LastIndexOf('@');
        // What looks like a port, a database or a setting there is the rest of the password, which must not be shown as such.
        if (database.Contains('@') || query.Contains('@'))
            throw new FormatException($"has an @ behind its host: write %40 there, and %2F, %3F or %40 for /, ? or @ in a password. {Cure}");
        var (user, password) = Split(at < 0 ? "" : authority[..at], ':');
        Set(settings, "Host", ReadHosts(authority[(at + 1)..], settings));
        Set(settings, "Username", Uri.UnescapeDataString(user));
        Set(settings, "Password", Uri.UnescapeDataString(password));
        Set(settings, "Database", Uri.UnescapeDataString(database));
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = Split(pair, '=');
            if (!Names.TryGetValue(name, out var known))
                throw new FormatException($"has the setting '{name}', which is not known. Known are {string.Join(", ", Names.Keys)}.");
            Set(settings, known, Uri.UnescapeDataString(value));
        }

        if (string.IsNullOrEmpty(settings.Host))
            throw new FormatException($"names no host. {Cure}");
        if (string.IsNullOrEmpty(settings.Database))
            throw new FormatException($"names no database. {Cure}");
    }

    private static string ReadHosts(string hosts, NpgsqlConnectionStringBuilder settings)
    {
        if (hosts.Contains(','))
        {
            foreach (var (host, _) in hosts.Split(',').Select(SplitPort))
            {
                if (host.Length == 0)
                    throw new FormatException($"has a comma without a host beside it. {SeveralCure}");
            }

            // Our driver wants the brackets of an IPv6 address only here, where there are others beside it.
            return Uri.UnescapeDataString(hosts);
        }

        var (only, port) = SplitPort(hosts);
        if (port is not null)
            settings.Port = port.Value;
        return Uri.UnescapeDataString(only.Trim('[', ']'));
    }

    private static (string Host, int? Port) SplitPort(string host)
    {
        if (host.EndsWith(']') || host.LastIndexOf(':') is not (>= 0 and var colon))
            return (host, null);
        return int.TryParse(host[(colon + 1)..], out var port) && port is > 0 and < 65536
            ? (host[..colon], port)
            : throw new FormatException($"has a port that is no number from 1 to 65535. {Cure}");
    }

    private static void Set(NpgsqlConnectionStringBuilder settings, string name, string value)
    {
        if (value.Length > 0)
            settings[name] = (name, value) switch
            {
                ("SSL Mode", _) => value.Replace("-", "", StringComparison.Ordinal),
                ("Load Balance Hosts", "random") => "true",
                ("Load Balance Hosts", "disable") => "false",
                _ => value,
            };
    }

    private static (string Before, string After) Split(string text, char separator) =>
        text.IndexOf(separator, StringComparison.Ordinal) is var at and >= 0 ? (text[..at], text[(at + 1)..]) : (text, "");
}
