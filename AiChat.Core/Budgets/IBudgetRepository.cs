namespace AiChat.Core.Budgets;

/// <summary>
/// Removes what is over of the budgets. They are taken from, and settled, by whoever stores what uses them, in the same transaction.
/// </summary>
public interface IBudgetRepository
{
    /// <summary>Removes at most so many windows of each length that are over for long; returns how many.</summary>
    Task<int> DeleteExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken);
}
