using Microsoft.Extensions.Logging;

namespace AiChat.Tests.Support;

/// <summary>
/// Keeps what an application logs, and knows what must not be there: our own warnings, and errors of anybody, unless a test said
/// beforehand that it provokes them. What was announced must come, too.
/// </summary>
public sealed class CapturedLog : ILoggerProvider
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly Lock state = new();
    private readonly List<LogEntry> entries = [];
    private readonly List<string> expected = [];
    private readonly List<string> allowed = [];
    private readonly List<Waiter> waiters = [];

    public IReadOnlyList<LogEntry> Entries
    {
        get
        {
            lock (state)
                return [.. entries];
        }
    }

    /// <summary>Announces warnings or errors whose message contains this text.</summary>
    public void Expect(string text)
    {
        lock (state)
            expected.Add(text);
    }

    /// <summary>Warnings or errors that may come or not, as two things happen in this or that order.</summary>
    public void Allow(string text)
    {
        lock (state)
            allowed.Add(text);
    }

    /// <summary>Waits for an entry whose message contains this text; one that is there already counts.</summary>
    public async Task WaitForAsync(string text)
    {
        var waiter = new Waiter(text);
        lock (state)
        {
            if (entries.Exists(e => e.Message.Contains(text, StringComparison.Ordinal)))
                return;
            waiters.Add(waiter);
        }

        await waiter.Signal.Task.WaitAsync(LongestWait);
    }

    public void AssertNothingUnexpected()
    {
        lock (state)
        {
            Assert.Multiple(() =>
            {
                Assert.That(entries.Where(IsUnexpected), Is.Empty, "logged unexpectedly");
                Assert.That(expected.Where(text => !entries.Exists(e => e.IsProblem && e.Contains(text))), Is.Empty, "announced but not logged");
            });
        }
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private bool IsUnexpected(LogEntry entry) => entry.IsProblem && !expected.Exists(entry.Contains) && !allowed.Exists(entry.Contains);

    private void Add(LogEntry entry)
    {
        lock (state)
        {
            entries.Add(entry);
            foreach (var waiter in waiters.FindAll(w => entry.Contains(w.Text)))
            {
                waiters.Remove(waiter);
                waiter.Signal.TrySetResult();
            }
        }
    }

    private sealed class Logger(CapturedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.Add(new LogEntry(logLevel, category, formatter(state, exception), exception));
    }

    private sealed record Waiter(string Text)
    {
        public TaskCompletionSource Signal { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>One line of a log.</summary>
public sealed record LogEntry(LogLevel Level, string Category, string Message, Exception? Exception)
{
    /// <summary>Something a test has to account for. Warnings of the framework depend on how busy the machine is and do not count.</summary>
    public bool IsProblem => Level >= LogLevel.Error || (Level == LogLevel.Warning && IsOurs(Category));

    public static bool IsOurs(string category) => category.StartsWith("AiChat.", StringComparison.Ordinal);

    public bool Contains(string text) => Message.Contains(text, StringComparison.Ordinal);
}
