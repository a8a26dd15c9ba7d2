using System.Data.Common;
using AiChat.Core.Errors;
using Microsoft.Data.Sqlite;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>
/// Feeds the one connection that writes. Whoever comes first commits for everybody who waits by then, in one transaction: one flush to
/// the disk for all of them, and nobody to wake up when there is only one.
/// </summary>
internal sealed class SqliteWriteQueue(SqliteConnection writer, Func<Task> afterCommit) : IDisposable
{
    private readonly Lock gate = new();
    private readonly SqliteCommand begin = new("begin immediate", writer);
    private readonly SqliteCommand commit = new("commit", writer);
    private readonly SqliteCommand rollback = new("rollback", writer);
    private readonly SqliteCommand touch = new("pragma user_version = 0", writer);
    private List<Write> waiting = [];
    private List<Write> batch = [];
    private bool isCommitting;
    private volatile bool isFailing;

    /// <summary>Whether the last transaction failed for trouble of the disk or the file. Only one that wrote something ends it.</summary>
    public bool IsFailing => isFailing;

    public Task<T> EnqueueAsync<T>(Func<DbConnection, Task<T>> work)
    {
        var write = new Write<T>(work);
        lock (gate)
        {
            waiting.Add(write);
            if (isCommitting)
                return write.Result;
            isCommitting = true;
        }

        _ = CommitWaitingAsync();
        return write.Result;
    }

    public void Dispose()
    {
        begin.Dispose();
        commit.Dispose();
        rollback.Dispose();
        touch.Dispose();
    }

    private async Task CommitWaitingAsync()
    {
        lock (gate)
            (waiting, batch) = (batch, waiting);

        var failure = await TryCommitAsync(batch);
        if (failure is null)
            batch.ForEach(w => w.Succeed());
        else if (batch.Count == 1)
            batch[0].Fail(failure);
        else
            await CommitOneByOneAsync(batch);

        batch.Clear();
        await afterCommit();

        lock (gate)
        {
            isCommitting = waiting.Count > 0;
            if (!isCommitting)
                return;
        }

        // A new turn on another thread: this one belongs to a request that has its answer by now.
        ThreadPool.UnsafeQueueUserWorkItem(static queue => _ = queue.CommitWaitingAsync(), this, preferLocal: false);
    }

    /// <summary>One bad transaction must not take down those that happened to wait beside it.</summary>
    private async Task CommitOneByOneAsync(List<Write> writes)
    {
        foreach (var write in writes)
        {
            if (await TryCommitAsync([write]) is { } failure)
                write.Fail(failure);
            else
                write.Succeed();
        }
    }

    private async Task<Exception?> TryCommitAsync(List<Write> writes)
    {
        try
        {
            begin.ExecuteNonQuery();
            foreach (var write in writes)
                await write.RunAsync(writer);
            // A transaction that changes nothing commits on any disk; with a page of its own, its success says that the disk works again.
            if (isFailing)
                touch.ExecuteNonQuery();
            commit.ExecuteNonQuery();
            isFailing = false;
            return null;
        }
        catch (Exception failure)
        {
            Rollback();
            if (failure is SqliteException sqlite && SqliteErrors.IsUnavailable(sqlite))
                failure = UnavailableException.ForDatabase(failure);
            if (failure is UnavailableException)
            {
                isFailing = true;
                OverwriteFailed();
            }

            return failure;
        }
    }

    /// <summary>
    /// A transaction whose flush failed is whole in the log all the same, and a process that starts after a crash would find it there. The
    /// next one overwrites its beginning; so there is a next one before anybody is told that nothing was stored.
    /// </summary>
    private void OverwriteFailed()
    {
        try
        {
            begin.ExecuteNonQuery();
            touch.ExecuteNonQuery();
            commit.ExecuteNonQuery();
        }
        catch (SqliteException)
        {
            // Expected of a disk that fails: the overwriting has been done when it is the flush that fails again.
            Rollback();
        }
    }

    private void Rollback()
    {
        try
        {
            rollback.ExecuteNonQuery();
        }
        catch (SqliteException)
        {
            // SQLite rolls back by itself after some errors (disk full among them); then there is nothing left to roll back.
        }
    }

    private abstract class Write
    {
        public abstract Task RunAsync(DbConnection connection);

        public abstract void Succeed();

        public abstract void Fail(Exception failure);
    }

    private sealed class Write<T>(Func<DbConnection, Task<T>> work) : Write
    {
        private readonly TaskCompletionSource<T> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T result = default!;

        public Task<T> Result => completion.Task;

        public override async Task RunAsync(DbConnection connection) => result = await work(connection);

        public override void Succeed() => completion.SetResult(result);

        public override void Fail(Exception failure) => completion.SetException(failure);
    }
}
