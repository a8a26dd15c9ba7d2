using System.Runtime.CompilerServices;
using AiChat.Core.Idempotency;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Chats;

/// <summary>Makes, shows, changes and removes a user's chats.</summary>
public sealed class ChatService(
    IChatRepository chats, IMessageRepository messages, IRunRepository runs, IIdempotencyRepository keys, ModelRegistry models,
    RunExecutor executor, IOptions<RunOptions> options, TimeProvider time)
{
    /// <summary>How many messages, or chats, are held at once while all of them are read.</summary>
    private const int StreamPageSize = 500;

    /// <summary>Makes a chat. A request with a key that came before makes none: it gets the chat of the first one, as it was then.</summary>
    /// <exception cref="Errors.InvalidRequestException"><c>unknown_model</c>, <c>idempotency_key_reused</c>.</exception>
    public async Task<CreatedChat> CreateAsync(NewChat request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var key = ToKey(request, now);
        if (key is not null && await keys.FindAsync(key, cancellationToken) is { } earlier)
            return Replay(request, key, earlier);

        RequireModel(request.Model);
        var chat = Build(request, now);
        var taken = ToMessage(request, chat) is { } message
            ? await chats.CreateAsync(chat, message, key, cancellationToken)
            : await chats.CreateAsync(chat, key, cancellationToken);
        return taken is null ? new CreatedChat(chat, IsReplay: false) : Replay(request, key!, taken);
    }

    /// <summary>The user's most recently updated chat, or a new one when there is none; however many ask at once, one is made.</summary>
    public async Task<Chat> GetNewestOrCreateAsync(string userId, CancellationToken cancellationToken)
    {
        // Most users have one: reading does not wait for those who write.
        var newest = await chats.ListAsync(userId, limit: 1, after: null, cancellationToken);
        return newest.Chats.Count > 0
            ? newest.Chats[0]
            : await chats.GetNewestOrCreateAsync(Build(new NewChat { UserId = userId }, time.GetUtcNow()), cancellationToken);
    }

    /// <summary>Whose chat it is; null when there is no such chat. Only for clients that name no user, and whose API lets the id suffice.</summary>
    public Task<string?> FindOwnerAsync(string chatId, CancellationToken cancellationToken) => chats.FindOwnerAsync(chatId, cancellationToken);

    /// <summary>The user's chat with this id, or with the message that has it; null when there is neither.</summary>
    public async Task<Chat?> FindAsync(string userId, string chatOrMessageId, CancellationToken cancellationToken)
    {
        if (await chats.GetAsync(userId, chatOrMessageId, cancellationToken) is { } chat)
            return chat;
        return await messages.GetAsync(userId, chatOrMessageId, cancellationToken) is { } message
            ? await chats.GetAsync(userId, message.ChatId, cancellationToken)
            : null;
    }

    /// <summary>
    /// Stores a message behind the others of its chat, and asks nobody to answer it; null when the user has no such chat. A request with a key
    /// that came before stores none: it gets the message of the first one.
    /// </summary>
    /// <exception cref="Errors.InvalidRequestException"><c>idempotency_key_reused</c>.</exception>
    public async Task<AddedMessage?> AddMessageAsync(NewMessage message, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var key = ToKey(message, now);
        switch (await messages.AddAsync(Guid.CreateVersion7(now).ToString(), message, key, now, cancellationToken))
        {
            case MessageAdmission.Accepted accepted:
                return new AddedMessage(accepted.Message, IsReplay: false);
            case MessageAdmission.KeyTaken taken:
                key!.RequireSame(taken.Earlier);
                // Null when its chat was deleted since.
                return await messages.GetAsync(message.UserId, taken.Earlier.ResourceId, cancellationToken) is { } earlier
                    ? new AddedMessage(earlier, IsReplay: true)
                    : null;
            default:
                return null;
        }
    }

    /// <summary>Null when the user has no such chat.</summary>
    public Task<Chat?> GetAsync(string userId, string chatId, CancellationToken cancellationToken) =>
        chats.GetAsync(userId, chatId, cancellationToken);

    public Task<ChatPage> ListAsync(string userId, int limit, ChatCursor? after, CancellationToken cancellationToken) =>
        chats.ListAsync(userId, limit, after, cancellationToken);

    /// <summary>
    /// Every chat of the user, newest <see cref="Chat.UpdatedAt"/> first, in constant memory. Read page by page, so a slow reader holds no
    /// transaction open; a chat that is updated meanwhile may be missed, because it moves to the front.
    /// </summary>
    public async IAsyncEnumerable<Chat> StreamAsync(string userId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (ChatCursor? next = null; ;)
        {
            var page = await chats.ListAsync(userId, StreamPageSize, next, cancellationToken);
            foreach (var chat in page.Chats)
                yield return chat;
            if (page.Next is null)
                yield break;
            next = page.Next;
        }
    }

    /// <summary>One page, oldest first; null when the user has no such chat.</summary>
    public async Task<MessagePage?> GetMessagesAsync(
        string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken)
    {
        var page = await messages.GetPageAsync(userId, chatId, range, limit, cancellationToken);
        return page is null ? null : page with { Messages = await ShowProgressAsync(userId, page.Messages, cancellationToken) };
    }

    /// <summary>
    /// Every message of the range, oldest first, in constant memory; null when the user has no such chat. Read page by page, so a slow
    /// reader holds no transaction open.
    /// </summary>
    public async Task<IAsyncEnumerable<Message>?> StreamMessagesAsync(
        string userId, string chatId, MessageRange range, CancellationToken cancellationToken)
    {
        var first = await GetMessagesAsync(userId, chatId, From(range, range.After ?? 0), StreamPageSize, cancellationToken);
        return first is null ? null : ReadOn(first, cancellationToken);

        async IAsyncEnumerable<Message> ReadOn(MessagePage page, [EnumeratorCancellation] CancellationToken ct)
        {
            while (true)
            {
                foreach (var message in page.Messages)
                    yield return message;
                if (!page.HasNewer)
                    yield break;
                // Null when the chat was deleted meanwhile: what was there has been shown.
                var next = await GetMessagesAsync(userId, chatId, From(range, page.Messages[^1].Sequence), StreamPageSize, ct);
                if (next is null)
                    yield break;
                page = next;
            }
        }

        static MessageRange From(MessageRange range, int after) => range with { After = after };
    }

    /// <summary>
    /// The chats of a page with all their messages, in constant memory and without a statement for each chat; read bit by bit, so a slow
    /// reader holds no transaction open. Meant to be read once and in order, every chat to its end before the next one.
    /// </summary>
    public IEnumerable<ChatWithMessages> WithMessages(string userId, ChatPage page)
    {
        var reader = new ChatPageReader(this, userId, page.Chats);
        return page.Chats.Select((chat, place) => new ChatWithMessages(chat, reader.ReadAsync(place)));
    }

    /// <summary>Messages of the chats from one to another, in the order of the list and as they are now.</summary>
    internal async Task<IReadOnlyList<Message>> GetMessagesAsync(
        string userId, Chat first, int after, Chat last, CancellationToken cancellationToken)
    {
        var page = await messages.GetPageOfChatsAsync(userId, ToCursor(first), after, ToCursor(last), StreamPageSize, cancellationToken);
        return await ShowProgressAsync(userId, page, cancellationToken);

        static ChatCursor ToCursor(Chat chat) => new(chat.UpdatedAt, chat.Id);
    }

    /// <summary>The changed chat; null when the user has no such chat. Changing nothing leaves <see cref="Chat.UpdatedAt"/> as it was.</summary>
    /// <exception cref="Errors.InvalidRequestException"><c>unknown_model</c>.</exception>
    public Task<Chat?> UpdateAsync(string userId, string chatId, ChatChanges changes, CancellationToken cancellationToken)
    {
        RequireModel(changes.Model.Value);
        return changes.IsEmpty
            ? chats.GetAsync(userId, chatId, cancellationToken)
            : chats.UpdateAsync(userId, chatId, changes, time.GetUtcNow(), cancellationToken);
    }

    /// <summary>Removes the chat with its messages, stops its replies, and returns it as it was; null when the user has no such chat.</summary>
    public async Task<Chat?> DeleteAsync(string userId, string chatId, CancellationToken cancellationToken)
    {
        var chat = await chats.DeleteAsync(userId, chatId, cancellationToken);
        if (chat is not null)
            executor.AbandonChat(chatId);
        return chat;
    }

    /// <summary>A chat as it will be stored.</summary>
    internal static Chat Build(NewChat request, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7(now).ToString(),
        UserId = request.UserId,
        Title = request.Title,
        Model = request.Model,
        SystemPrompt = request.SystemPrompt,
        Metadata = request.Metadata,
        MessageCount = request.FirstMessage is null ? 0 : 1,
        CreatedAt = now,
        UpdatedAt = now,
    };

    private static CreatedChat Replay(NewChat request, IdempotencyKey key, KeyedRequest earlier)
    {
        key.RequireSame(earlier);
        return new CreatedChat(Build(request, earlier.CreatedAt) with { Id = earlier.ResourceId }, IsReplay: true);
    }

    private IdempotencyKey? ToKey(NewMessage message, DateTimeOffset now) => message.IdempotencyKey is null
        ? null
        : new IdempotencyKey(
            message.UserId, message.IdempotencyKey,
            IdempotencyKey.GetFingerprint("add_message", message.ChatId, message.Role.ToString(), message.Content, message.ToolCalls),
            now - options.Value.IdempotencyRetention);

    private IdempotencyKey? ToKey(NewChat request, DateTimeOffset now) => request.IdempotencyKey is null
        ? null
        : new IdempotencyKey(
            request.UserId, request.IdempotencyKey,
            IdempotencyKey.GetFingerprint("create_chat", ToFields(request)),
            now - options.Value.IdempotencyRetention);

    private static string?[] ToFields(NewChat request)
    {
        string?[] fields = [request.Title, request.Model, request.SystemPrompt, request.Metadata];
        // Counts only where it is given: the keys of earlier versions are still known.
        return request.FirstMessage is { } first ? [.. fields, first.Role.ToString(), first.Content] : fields;
    }

    private static Message? ToMessage(NewChat request, Chat chat) => request.FirstMessage is not { } first ? null : new Message
    {
        Id = Guid.CreateVersion7(chat.CreatedAt).ToString(),
        ChatId = chat.Id,
        Sequence = 1,
        Role = first.Role,
        Content = first.Content,
        Status = MessageStatus.Completed,
        CreatedAt = chat.CreatedAt,
        UpdatedAt = chat.CreatedAt,
    };

    /// <summary>
    /// Replies that are being written, with as much text as there is: here in memory, elsewhere what was stored of it. Their messages have it only
    /// when it is whole.
    /// </summary>
    private async Task<IReadOnlyList<Message>> ShowProgressAsync(string userId, IReadOnlyList<Message> page, CancellationToken cancellationToken)
    {
        if (!page.Any(IsBeingWritten))
            return page;

        var shown = page.Select(m => IsBeingWritten(m) && executor.Find(m.RunId!) is { } run
            ? m with { Content = run.Log.GetText(), Sources = run.Log.GetSources() }
            : m).ToList();
        var elsewhere = Enumerable.Range(0, shown.Count).Where(i => IsBeingWritten(shown[i]) && executor.Find(shown[i].RunId!) is null).ToList();
        if (elsewhere.Count == 0)
            return shown;

        var news = await runs.GetNewsAsync([.. elsewhere.Select(i => new RunCursor(shown[i].RunId!, After: 0))], cancellationToken);
        foreach (var (i, run) in elsewhere.Zip(news))
            shown[i] = run.IsEnded ? await messages.GetAsync(userId, shown[i].Id, cancellationToken) ?? shown[i] : Show(shown[i], run);
        return shown;

        static bool IsBeingWritten(Message message) => message is { Status: MessageStatus.InProgress, RunId: not null };

        static Message Show(Message message, RunNews run) => message with
        {
            Content = string.Concat(run.Texts.Select(t => t.Text)),
            Sources = [.. run.Texts.Select(t => t.Mark).OfType<SourceFound>().Select(m => m.Source)],
        };
    }

    private void RequireModel(string? alias)
    {
        if (alias is not null)
            models.Get(alias);
    }
}
