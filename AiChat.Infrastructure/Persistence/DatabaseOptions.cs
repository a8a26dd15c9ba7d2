using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Where everything is stored.</summary>
public sealed class DatabaseOptions
{
    public const string Section = "Database";

    /// <summary>The short name that wins over <see cref="Url"/>.</summary>
    public const string UrlVariable = "DATABASE_URL";

    /// <summary>
    /// <c>sqlite:///./ai_chat.db</c> (three slashes: relative to the working directory) or <c>sqlite:////var/lib/ai_chat.db</c> (four:
    /// absolute).
    /// </summary>
    public string Url { get; set; } = "sqlite:///./ai_chat.db";

    /// <summary>
    /// The SQLite library to use instead of the bundled one: a path or a name the system's loader finds, such as <c>libsqlite3.so.0</c>.
    /// </summary>
    public string? SqliteLibrary { get; set; }

    public void Bind(IConfiguration configuration)
    {
        configuration.GetSection(Section).Bind(this);
        if (configuration[UrlVariable] is { Length: > 0 } url)
            Url = url;
    }
}

public sealed class DatabaseOptionsValidator : IValidateOptions<DatabaseOptions>
{
    public ValidateOptionsResult Validate(string? name, DatabaseOptions options) =>
        SqliteUrl.TryParse(options.Url, out _, out var problem)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"{DatabaseOptions.UrlVariable} (or {DatabaseOptions.Section}:Url) {problem}");
}
