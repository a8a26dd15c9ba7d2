using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiChat.Core.Usage;

/// <summary>Asks models for what is no reply, and keeps the account of it.</summary>
public sealed partial class SideCalls(
    ModelRegistry models, IUsageRepository usage, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<SideCalls> logger)
{
    private static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>
    /// What the model says; empty where no model can be asked, it fails, or it takes too long. Whatever was called is in the ledger when this
    /// returns or throws.
    /// </summary>
    /// <exception cref="OperationCanceledException">The caller gave it up.</exception>
    public async Task<string> AskAsync(SideCall call, CancellationToken cancellationToken)
    {
        if (models.Find(call.Alias) is not { } alias || alias.Active.Provider == ModelRegistry.OfflineProvider)
            return "";

        var attempts = new AttemptLog(first: 1);
        using var timeout = new CancellationTokenSource(call.Timeout, time);
        using var stopped = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var answer = await alias.Client.GetResponseAsync(call.Prompt, ToChatOptions(call, attempts), stopped.Token);
            return answer.Text;
        }
        catch (ProviderException failure)
        {
            LogNoAnswer(call.Purpose, call.ChatId, failure.Provider, failure.Error, failure.Message);
            return "";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            LogTimeout(call.Purpose, call.ChatId, call.Timeout);
            return "";
        }
        finally
        {
            await StoreAsync(call, alias.Name, attempts);
        }
    }

    private static RoutedChatOptions ToChatOptions(SideCall call, AttemptLog attempts) => new()
    {
        Attempts = attempts,
        PromptTokens = call.Prompt.Sum(TokenEstimator.CountMessage),
        MaxOutputTokens = call.MaxOutputTokens,
    };

    private async Task StoreAsync(SideCall call, string alias, AttemptLog attempts)
    {
        var id = Guid.CreateVersion7(time.GetUtcNow()).ToString();
        foreach (var attempt in attempts.All)
        {
            var entry = new LedgerEntry
            {
                RunId = id,
                Purpose = call.Purpose,
                ChatId = call.ChatId,
                UserId = call.UserId,
                Alias = alias,
                Attempt = attempt,
            };
            await StoreAsync(entry);
        }
    }

    /// <summary>However long the database needs, whoever has given up meanwhile: it was paid for. Only the end of the server ends it.</summary>
    private async Task StoreAsync(LedgerEntry entry)
    {
        while (true)
        {
            try
            {
                await usage.AddAsync(entry, CancellationToken.None);
                return;
            }
            catch (UnavailableException) when (!lifetime.ApplicationStopping.IsCancellationRequested)
            {
                await Task.Delay(StoreRetryDelay, time, lifetime.ApplicationStopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (UnavailableException failure)
            {
                LogNotStored(failure, entry.Purpose, entry.ChatId);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information,
        Message = "No model gave the {Purpose} for chat {ChatId}, it goes on without: {Provider} failed: {ProviderError}, {Reason}")]
    private partial void LogNoAnswer(AttemptPurpose purpose, string chatId, string provider, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "No model gave the {Purpose} for chat {ChatId}, it goes on without: the model took longer than {Timeout}")]
    private partial void LogTimeout(AttemptPurpose purpose, string chatId, TimeSpan timeout);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The call of a model for the {Purpose} of chat {ChatId} is missing in the ledger: the server ends and the database takes nothing")]
    private partial void LogNotStored(Exception failure, AttemptPurpose purpose, string chatId);
}

/// <summary>What a model is asked beside the replies.</summary>
public sealed record SideCall
{
    public required AttemptPurpose Purpose { get; init; }

    /// <summary>Whose budget it counts against.</summary>
    public required string UserId { get; init; }

    public required string ChatId { get; init; }

    public required string Alias { get; init; }

    public required IReadOnlyList<ChatMessage> Prompt { get; init; }

    /// <summary>Longest answer in tokens; models that think before they answer need more than what they say.</summary>
    public required int MaxOutputTokens { get; init; }

    public required TimeSpan Timeout { get; init; }
}
