using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>Chooses the native SQLite library, once per process.</summary>
public static class SqliteLibrary
{
    private static readonly Lock Gate = new();
    private static bool isLoaded;
    private static nint library;

    /// <summary>Loads the bundled library, or the named one in its place. Only the first call of a process has an effect.</summary>
    /// <exception cref="DatabaseStartupException">There is no such library.</exception>
    public static void Load(string? name)
    {
        lock (Gate)
        {
            if (isLoaded)
                return;
            if (!string.IsNullOrEmpty(name))
                UseInstead(name);
            Batteries_V2.Init();
            isLoaded = true;
        }
    }

    private static void UseInstead(string name)
    {
        if (!NativeLibrary.TryLoad(name, out library))
        {
            throw new DatabaseStartupException(
                $"Database:SqliteLibrary names '{name}', which cannot be loaded. Write the path of a libsqlite3, or leave it empty for the bundled one.");
        }

        // The package's calls and our own (DirectRowReader) must reach the same library.
        NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(SqliteLibrary).Assembly, Resolve);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == "e_sqlite3" ? library : 0;
}
