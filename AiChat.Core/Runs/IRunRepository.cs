namespace AiChat.Core.Runs;

/// <summary>Stores runs and the messages they bring into a chat. Each method is one transaction.</summary>
public interface IRunRepository
{
    /// <summary>
    /// Accepts a message: claims its key, stores it, the empty reply and the run, and makes the chat where <see cref="NewRun.NewChat"/>
    /// says so. A message that is stored already gets one run, however often it is asked for. Runs of one chat are queued in the order of
    /// their messages.
    /// </summary>
    Task<RunAdmission> StartAsync(NewRun run, CancellationToken cancellationToken);

    /// <summary>
    /// Lets a failed, cancelled or incomplete run begin again with an empty reply; what the last attempt gave is kept beside it. In a busy
    /// chat its turn comes before those of later messages.
    /// </summary>
    Task<RunAdmission> RetryAsync(RunRetry retry, CancellationToken cancellationToken);

    /// <summary>
    /// Stores how far running replies are, for the case that the process dies and for those who follow them from another one. Text of a run
    /// that has ended, is gone, or was taken over is left out; of its attempts only those of the last.
    /// </summary>
    Task AppendAsync(IReadOnlyList<RunProgress> progress, CancellationToken cancellationToken);

    /// <summary>
    /// Stores how a run ended, with its reply, and lets the chat's next run begin. Calling it again changes nothing; nor does a process that
    /// the run was taken from.
    /// </summary>
    Task<FinishedRun> FinishAsync(RunResult result, CancellationToken cancellationToken);

    /// <summary>Null when the user has no such run.</summary>
    Task<StoredRun?> GetAsync(string userId, string runId, CancellationToken cancellationToken);

    /// <summary>What the run answers; null when the user has no such run.</summary>
    Task<RunQuestion?> GetQuestionAsync(string userId, string runId, CancellationToken cancellationToken);

    /// <summary>What the user said last in the chat; null when there is nothing, or no such chat.</summary>
    Task<LastQuestion?> GetLastQuestionAsync(string userId, string chatId, CancellationToken cancellationToken);

    /// <summary>What was stored of runs of other processes behind these positions, in the order of the cursors.</summary>
    Task<IReadOnlyList<RunNews>> GetNewsAsync(IReadOnlyList<RunCursor> cursors, CancellationToken cancellationToken);

    /// <summary>Notes that the run is to be cancelled, for the process it belongs to; false when the user has no such unfinished run.</summary>
    Task<bool> RequestCancelAsync(string userId, string runId, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Makes the unfinished runs of processes that are dead this one's; returns how many.</summary>
    Task<int> TakeOverAsync(CancellationToken cancellationToken);

    /// <summary>The unfinished runs that belong to this process, those of a chat in the order of their turns.</summary>
    Task<IReadOnlyList<HeldRun>> GetHeldAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Ends a run of this process that nobody executes: as incomplete with the text that was stored, or as cancelled where somebody asked for
    /// that; the chat's next run begins. Changes nothing when the run has ended, or belongs to another process by now.
    /// </summary>
    Task<FinishedRun> SettleAsync(string runId, int leaseNumber, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Begins another attempt of a run of this process that nobody executes, with the text that was stored. A queued run stays queued. Null when
    /// the run has ended, or belongs to another process by now.
    /// </summary>
    Task<InterruptedRun?> ContinueAsync(string runId, int leaseNumber, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Ends the accounts of runs that were begun before the instant and are gone with their chats, where nobody will.</summary>
    Task EndOrphanedAsync(DateTimeOffset begunBefore, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Removes the logs of at most so many runs that ended before the instant; returns how many events were removed.</summary>
    Task<int> DeleteLogsAsync(DateTimeOffset endedBefore, int limit, CancellationToken cancellationToken);
}
