using System.Runtime.CompilerServices;

namespace AiChat.Core.Chats;

/// <summary>
/// Reads the messages of a page of chats, many of them at a time whatever chats they belong to, and holds nothing between two reads. A
/// chat that leaves its place in the list meanwhile is read by itself; of one that is deleted, what had been read stays.
/// </summary>
internal sealed class ChatPageReader(ChatService chats, string userId, IReadOnlyList<Chat> page)
{
    private readonly Dictionary<string, int> places = page.Select((chat, place) => (chat.Id, place)).ToDictionary(p => p.Id, p => p.place);
    private IReadOnlyList<Message> batch = [];
    private int next;

    /// <summary>The messages of the chat at this place, oldest first. Those of the places before it have been read, or are not wanted.</summary>
    public async IAsyncEnumerable<Message> ReadAsync(int place, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var chat = page[place];
        var read = 0;
        while (read < chat.MessageCount && await TryFindAsync(place, read, cancellationToken))
        {
            // What came since the page was read is shown as well, as far as it is here.
            for (; next < batch.Count && batch[next].ChatId == chat.Id; next++)
            {
                read = batch[next].Sequence;
                yield return batch[next];
            }
        }

        var rest = read < chat.MessageCount
            ? await chats.StreamMessagesAsync(userId, chat.Id, new MessageRange { After = read }, cancellationToken)
            : null;
        if (rest is null)
            yield break;
        await foreach (var message in rest)
            yield return message;
    }

    /// <summary>Whether the next message is one of this chat; when there is none, more of them are read.</summary>
    private async Task<bool> TryFindAsync(int place, int read, CancellationToken cancellationToken)
    {
        SkipPassed(place);
        if (next == batch.Count)
        {
            (batch, next) = (await chats.GetMessagesAsync(userId, page[place], read, page[^1], cancellationToken), 0);
            SkipPassed(place);
        }

        return next < batch.Count && batch[next].ChatId == page[place].Id;
    }

    /// <summary>Messages of chats that have been shown, or have come into the page since it was read.</summary>
    private void SkipPassed(int place)
    {
        while (next < batch.Count && !(places.TryGetValue(batch[next].ChatId, out var other) && other >= place))
            next++;
    }
}
