using System.Diagnostics.CodeAnalysis;

namespace AiChat.Infrastructure.Persistence;

/// <summary>
/// A database URL of the form SQLAlchemy made common: <c>sqlite:///relative/path</c> or <c>sqlite:////absolute/path</c>.
/// </summary>
public static class SqliteUrl
{
    private const string Scheme = "sqlite:///";
    private const string Cure = "Write sqlite:///./ai_chat.db for a file in the working directory or sqlite:////var/lib/ai_chat.db for an absolute path, or postgresql://user:password@host:5432/database.";

    /// <summary>The file's absolute path; a relative one starts at the working directory.</summary>
    /// <exception cref="FormatException">The URL is not one of SQLite's.</exception>
    public static string Parse(string url) => TryParse(url, out var path, out var problem) ? path : throw new FormatException(problem);

    /// <param name="url">What the operator wrote.</param>
    /// <param name="path">The file's absolute path.</param>
    /// <param name="problem">Why it is no such URL and what to write; the URL itself may hold a password and is not quoted.</param>
    public static bool TryParse(string url, [NotNullWhen(true)] out string? path, [NotNullWhen(false)] out string? problem)
    {
        path = problem = null;
        var file = url.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? url[Scheme.Length..] : "";
        if (file.Length == 0 || file.EndsWith('/') || file == ":memory:")
        {
            problem = $"is not the URL of an SQLite file or of a PostgreSQL database. {Cure}";
            return false;
        }

        path = Path.GetFullPath(file);
        return true;
    }
}
