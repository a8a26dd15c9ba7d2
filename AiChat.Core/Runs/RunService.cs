using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>A message for a chat.</summary>
public sealed record SendCommand
{
    public required string UserId { get; init; }

    /// <summary>The chat; null makes a new one.</summary>
    public string? ChatId { get; init; }

    public required string Message { get; init; }

    /// <summary>The asked alias; null for the chat's, else the default.</summary>
    public string? Model { get; init; }

    /// <summary>Sampling temperature, 0 to 2; null for the model's own.</summary>
    public double? Temperature { get; init; }

    /// <summary>The longest answer, in tokens; null for the model's own limit.</summary>
    public int? MaxTokens { get; init; }
}

/// <summary>Takes messages and gets them answered. Every way into a chat leads through here.</summary>
public sealed class RunService(
    IChatRepository chats, IRunRepository runs, ModelRegistry models, ContextBuilder context, RunExecutor executor, TimeProvider time)
{
    /// <summary>
    /// Sends a message and waits for the reply. Null when the user has no such chat. Cancelling ends the wait, not the run.
    /// </summary>
    /// <exception cref="RunFailedException">The message is stored, but no reply came.</exception>
    /// <exception cref="InvalidRequestException"><c>unknown_model</c>, <c>message_too_long</c>; nothing was stored.</exception>
    /// <exception cref="UnavailableException">The server or the database takes no messages now.</exception>
    public async Task<RunResult?> SendAsync(SendCommand command, CancellationToken cancellationToken)
    {
        var run = await StartAsync(command, cancellationToken);
        if (run is null)
            return null;

        var result = await run.Completion.WaitAsync(cancellationToken);
        return result.Error is null ? result : throw new RunFailedException(result, result.Error);
    }

    /// <summary>Accepts a message; when this returns, it is stored and its reply is on its way. Null when the user has no such chat.</summary>
    public async Task<ActiveRun?> StartAsync(SendCommand command, CancellationToken cancellationToken)
    {
        if (executor.IsStopping)
            throw UnavailableException.ForShutdown();

        var now = time.GetUtcNow();
        var isNewChat = command.ChatId is null;
        var chat = isNewChat
            ? ChatService.Build(new NewChat { UserId = command.UserId }, now)
            : await chats.GetAsync(command.UserId, command.ChatId!, cancellationToken);
        if (chat is null)
            return null;

        var alias = models.Get(command.Model ?? chat.Model ?? ModelsOptions.DefaultAlias);
        ContextBuilder.RequireFit(command.Message, chat.SystemPrompt, context.GetBudget(alias.Active, command.MaxTokens));

        var run = new ActiveRun(ToNewRun(command, chat, isNewChat, alias.Name, now), chat.SystemPrompt, alias.Active);
        executor.Register(run);
        var accepted = await AcceptAsync(run);
        if (accepted is not { } acceptedRun)
            return null;

        if (acceptedRun.Status == RunStatus.InProgress)
            executor.Begin(run, acceptedRun.UserSequence);
        else
            executor.Queue(run, acceptedRun.UserSequence);
        return run;
    }

    /// <summary>Stores the message. Not cancellable: a client that goes away now must not leave half a turn.</summary>
    private async Task<AcceptedRun?> AcceptAsync(ActiveRun run)
    {
        var accepted = default(AcceptedRun?);
        try
        {
            accepted = await runs.StartAsync(run.Run, CancellationToken.None);
            return accepted;
        }
        finally
        {
            if (accepted is null)
                executor.Forget(run);
        }
    }

    private static NewRun ToNewRun(SendCommand command, Chat chat, bool isNewChat, string alias, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7(now).ToString(),
        ChatId = chat.Id,
        UserId = command.UserId,
        NewChat = isNewChat ? chat : null,
        UserMessageId = Guid.CreateVersion7(now).ToString(),
        AssistantMessageId = Guid.CreateVersion7(now).ToString(),
        Message = command.Message,
        Alias = alias,
        Temperature = command.Temperature,
        MaxTokens = command.MaxTokens,
        CreatedAt = now,
    };
}
