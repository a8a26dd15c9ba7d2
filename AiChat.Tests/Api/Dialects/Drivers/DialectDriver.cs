using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of one of the APIs, as its document knows it. The user is the default one.</summary>
internal abstract class DialectDriver(AiChatApplication app)
{
    /// <summary>The turn that making a chat includes; empty where a chat begins without one.</summary>
    public virtual IReadOnlyList<Turn> FirstTurns => [];

    /// <summary>How many messages, from the end, the API can show.</summary>
    public virtual int MostShown => int.MaxValue;

    protected AiChatApplication App => app;

    /// <summary>Makes a chat and returns its id.</summary>
    public abstract Task<string> CreateAsync();

    /// <summary>Says something and gets it answered. Where the API asks no model, the client stores the reply itself.</summary>
    /// <param name="chatId">The chat.</param>
    /// <param name="message">What the user says.</param>
    /// <param name="reply">What the answer must be; null where any will do.</param>
    public abstract Task SayAsync(string chatId, string message, string? reply);

    /// <summary>The chat's messages, oldest first.</summary>
    public abstract Task<IReadOnlyList<Turn>> ReadAsync(string chatId);

    /// <summary>The ids of the user's chats.</summary>
    public abstract Task<IReadOnlyList<string?>> ListAsync();

    /// <summary>Removes the chat; false where the API has no such call.</summary>
    public abstract Task<bool> DeleteAsync(string chatId);

    /// <summary>The status of a call about this chat.</summary>
    public abstract Task<int> LookAsync(string chatId);

    private protected static void RequireReply(string? actual, string? expected) => Assert.That(actual, Is.EqualTo(expected ?? actual));

    private protected static ApiReply RequireSuccess(ApiReply reply)
    {
        Assert.That(reply.Status, Is.InRange(200, 299), reply.Text);
        return reply;
    }
}

/// <summary>What somebody said.</summary>
internal sealed record Turn(string Role, string Text);
