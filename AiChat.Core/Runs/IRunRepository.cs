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
    /// Stores how far running replies are, for the case that the process dies. Text of a run that has ended, or is gone, is left out; its
    /// attempts are not.
    /// </summary>
    Task AppendAsync(IReadOnlyList<RunProgress> progress, CancellationToken cancellationToken);

    /// <summary>Stores how a run ended, with its reply, and lets the chat's next run begin. Calling it again changes nothing.</summary>
    Task<FinishedRun> FinishAsync(RunResult result, CancellationToken cancellationToken);

    /// <summary>Null when the user has no such run.</summary>
    Task<StoredRun?> GetAsync(string userId, string runId, CancellationToken cancellationToken);

    /// <summary>What the run answers; null when the user has no such run.</summary>
    Task<RunQuestion?> GetQuestionAsync(string userId, string runId, CancellationToken cancellationToken);

    /// <summary>What the user said last in the chat; null when there is nothing, or no such chat.</summary>
    Task<LastQuestion?> GetLastQuestionAsync(string userId, string chatId, CancellationToken cancellationToken);

    /// <summary>
    /// Ends as incomplete, with the text that was stored, every run that a process before this one left unfinished, and frees their chats;
    /// returns how many.
    /// </summary>
    Task<int> SettleUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Begins another attempt of every run that a process before this one left unfinished, with the text that was stored, and returns them
    /// in the order of their turns. Queued runs stay queued.
    /// </summary>
    Task<IReadOnlyList<InterruptedRun>> ContinueUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Removes the logs of at most so many runs that ended before the instant; returns how many events were removed.</summary>
    Task<int> DeleteLogsAsync(DateTimeOffset endedBefore, int limit, CancellationToken cancellationToken);
}
