namespace AiChat.Core.Runs;

/// <summary>Stores runs and the messages they bring into a chat. Each method is one transaction.</summary>
public interface IRunRepository
{
    /// <summary>
    /// Accepts a message: stores it, the empty reply and the run, and makes the chat where <see cref="NewRun.NewChat"/> says so.
    /// Null, with nothing stored, when the user has no such chat. Runs of one chat are queued in the order of these calls.
    /// </summary>
    Task<AcceptedRun?> StartAsync(NewRun run, CancellationToken cancellationToken);

    /// <summary>Stores how a run ended, with its reply, and lets the chat's next run begin. Calling it again changes nothing.</summary>
    Task<FinishedRun> FinishAsync(RunResult result, CancellationToken cancellationToken);

    /// <summary>Ends as incomplete every run that a process before this one left unfinished, and frees their chats; returns how many.</summary>
    Task<int> SettleUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken);
}
