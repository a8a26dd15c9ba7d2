namespace AiChat.Core.Runs;

/// <summary>An unfinished run that belongs to this process, as the database has it.</summary>
public sealed record HeldRun(string Id, string ChatId, RunStatus Status, int LeaseNumber, bool IsCancelRequested);
