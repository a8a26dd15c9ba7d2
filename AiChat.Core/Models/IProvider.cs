using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>One configured source of models: Groq, OpenAI, a server of one's own, the built-in offline backend.</summary>
public interface IProvider
{
    /// <summary>The name in the configuration (<c>Providers:&lt;name&gt;</c>), compared without case.</summary>
    string Name { get; }

    /// <summary>The setting that must be given before this provider can be used; null when it is ready.</summary>
    string? MissingSetting { get; }

    /// <summary>The setting that holds its key; null when it has none.</summary>
    string? KeySetting { get; }

    /// <summary>
    /// A client for one model, made once per candidate and shared by all runs. It throws <see cref="ProviderException"/> for every
    /// failed call and <see cref="OperationCanceledException"/> only when the caller cancelled. A stream may report its usage several times,
    /// each time as the total so far: the last one counts.
    /// </summary>
    IChatClient CreateChatClient(string model);
}
