using System.Data.Common;
using AiChat.Core.Errors;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>Moves everything that is stored from one database into an empty one, whatever their engines, and checks that it is the same there.</summary>
public sealed class DatabaseCopy(IDatabase from, IDatabase to, TimeProvider time, Action<CopyStep> report)
{
    private const int RowsPerTransaction = 5000;

    private readonly CopyTarget target = new(to, time);

    /// <summary>Copies, or goes on with a copy that was ended before its time.</summary>
    /// <exception cref="CopyException">The databases are not such that one can be copied to the other, or one of them fails.</exception>
    /// <exception cref="OperationCanceledException">Asked to end; the same call goes on later.</exception>
    public async Task<CopyReport> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await CheckSourceAsync(cancellationToken);
            var isResumed = await target.PrepareAsync(cancellationToken);
            await using var source = await TableReader.OpenAsync(from, cancellationToken);

            var chains = isResumed ? await ReadBeginningsAsync(source, cancellationToken) : [];
            var hasChanged = chains is null;
            if (chains is null)
            {
                await target.EmptyAsync();
                chains = [];
            }

            var resumedRows = chains.Values.Sum(c => c.Rows);
            await CopyAsync(source, chains, cancellationToken);
            await VerifyAsync(chains, cancellationToken);
            await target.FinishAsync();
            return new CopyReport
            {
                Tables = [.. Table.All.Select(t => new CopiedTable(t.Name, chains[t.Name].Rows, chains[t.Name].Hash))],
                ResumedRows = resumedRows,
                HasBegunAnew = hasChanged,
                MendedTexts = chains.Values.Sum(c => c.Mended),
            };
        }
        catch (UnavailableException failure)
        {
            throw new CopyException($"Writing has failed: {to.DescribeFailure(failure.InnerException ?? failure)}", failure);
        }
        catch (DbException failure)
        {
            throw new CopyException($"Writing has failed: {to.DescribeFailure(failure)}", failure);
        }
    }

    private async Task CheckSourceAsync(CancellationToken cancellationToken)
    {
        var migrator = new Migrator(from, time, NullLogger<Migrator>.Instance);
        IReadOnlyList<string> applied;
        try
        {
            applied = await migrator.GetAppliedAsync(cancellationToken);
        }
        catch (DbException failure)
        {
            throw new CopyException($"The database {from.Location} cannot be copied, or is none of AiChat's: {failure.Message}", failure);
        }
        catch (UnavailableException failure)
        {
            throw new CopyException(from.DescribeFailure(failure.InnerException ?? failure), failure);
        }

        if (applied.Contains(Migrator.Filling))
            throw new CopyException($"The database {from.Location} is itself a copy that has not come to its end.");
        if (applied.Except(migrator.Known).FirstOrDefault() is { } unknown)
            throw new CopyException($"The database {from.Location} was changed by a newer AiChat (migration {unknown}). Copy it with the newer version.");
        if (migrator.Known.Except(applied).Any())
            throw new CopyException($"The database {from.Location} is of an older AiChat. Bring it up to date first: run migrate with its URL in {DatabaseOptions.UrlVariable}.");
        await LivingNodes.RefuseAsync(from, cancellationToken);
    }

    /// <summary>Reads what was copied before once more, to know where it ends; null when the source does not begin with it any more.</summary>
    private async Task<Dictionary<string, RowChain>?> ReadBeginningsAsync(TableReader source, CancellationToken cancellationToken)
    {
        var progress = await target.GetProgressAsync(cancellationToken);
        var steps = new CopySteps(CopyStage.Checking, progress.Values.Sum(p => p.RowCount), report);
        var chains = new Dictionary<string, RowChain>(StringComparer.Ordinal);
        foreach (var table in Table.All)
        {
            if (!progress.TryGetValue(table.Name, out var stored))
                continue;
            var chain = chains[table.Name] = new RowChain();
            await foreach (var row in source.ReadAllAsync(table, cancellationToken))
            {
                target.Add(chain, table, row);
                steps.Add(table, 1);
                if (chain.Rows == stored.RowCount)
                    break;
            }

            if (chain.Rows != stored.RowCount || chain.Hash != stored.Hash)
                return null;
        }

        return chains;
    }

    private async Task CopyAsync(TableReader source, Dictionary<string, RowChain> chains, CancellationToken cancellationToken)
    {
        var allRows = 0L;
        foreach (var table in Table.All)
            allRows += await source.CountAsync(table, cancellationToken);
        var steps = new CopySteps(CopyStage.Copying, allRows, report, chains.Values.Sum(c => c.Rows));

        foreach (var table in Table.All)
        {
            var chain = chains.GetValueOrDefault(table.Name, new RowChain());
            for (var isMore = true; isMore;)
            {
                var longer = await target.AppendAsync(table, chain, () => source.ReadAsync(table, chain.Last, RowsPerTransaction, cancellationToken));
                isMore = longer.Rows - chain.Rows == RowsPerTransaction;
                steps.Add(table, longer.Rows - chain.Rows);
                chain = longer;
            }

            chains[table.Name] = chain;
        }
    }

    /// <summary>Reads what was stored, and compares it with what was read from the source.</summary>
    private async Task VerifyAsync(Dictionary<string, RowChain> chains, CancellationToken cancellationToken)
    {
        var steps = new CopySteps(CopyStage.Verifying, chains.Values.Sum(c => c.Rows), report);
        await using var copy = await TableReader.OpenAsync(to, cancellationToken);
        foreach (var table in Table.All)
        {
            var (wanted, found) = (chains[table.Name], new RowChain());
            await foreach (var row in copy.ReadAllAsync(table, cancellationToken))
            {
                found.Add(row);
                steps.Add(table, 1);
            }

            if (found.Rows != wanted.Rows || found.Hash != wanted.Hash)
            {
                throw new CopyException(
                    $"The copy of {table.Name} is not what was read: {wanted.Rows} rows with the hash {wanted.Hash} were read, {found.Rows} with {found.Hash} are in {to.Location}. Something else has changed it. Give --to another, empty database.");
            }
        }
    }
}
