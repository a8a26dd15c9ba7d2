using AiChat.Core.Models;

namespace AiChat.Core.Usage;

/// <summary>The ledger of everything models were called for. The attempts of runs get into it with their runs.</summary>
public interface IUsageRepository
{
    /// <summary>
    /// Stores an attempt that belongs to no run and has ended, and adds what it used to the budgets of its user and its alias. To be called
    /// once for an attempt.
    /// </summary>
    Task AddAsync(LedgerEntry entry, CancellationToken cancellationToken);

    /// <summary>What the attempts of a time used, together and in groups. Those that go on are not counted.</summary>
    Task<UsageReport> GetAsync(UsageQuery query, CancellationToken cancellationToken);
}
