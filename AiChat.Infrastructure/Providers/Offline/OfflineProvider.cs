using AiChat.Core.Models;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Offline;

/// <summary>The built-in backend: always there, needs neither network nor key.</summary>
/// <param name="name">Its name in the configuration.</param>
/// <param name="hint">What to do for a real answer, as a sentence; ends every ordinary reply.</param>
/// <param name="time">Measures the delays a message asks for.</param>
public sealed class OfflineProvider(string name, string hint, TimeProvider time) : IProvider
{
    public string Name => name;

    public string? MissingSetting => null;

    public string? KeySetting => null;

    public IChatClient CreateChatClient(string model) => new OfflineChatClient(new ChatClientMetadata(name, defaultModelId: model), hint, time);
}
