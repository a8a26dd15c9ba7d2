using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>A name clients ask for and the candidates behind it, in the order they are tried.</summary>
public sealed record ModelAlias(string Name, IReadOnlyList<ModelCandidate> Candidates)
{
    /// <summary>Calls the candidates; <see cref="RoutedChatOptions"/> tells it how, and keeps the account.</summary>
    public required IChatClient Client { get; init; }

    /// <summary>Taken where neither the request nor the chat gives one; null for the model's own.</summary>
    public double? Temperature { get; init; }

    /// <summary>The longest answer where the request asks for none, in tokens.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Taken where the chat has none.</summary>
    public string? SystemPrompt { get; init; }

    /// <summary>
    /// The candidate that answers now: the first one that is not left alone at the moment, or else the first that can be used. There is
    /// always one: the registry adds the offline backend where no other can be used.
    /// </summary>
    public ModelCandidate Active => Candidates.FirstOrDefault(c => c.IsUsable && !c.Circuit.IsOpen) ?? Candidates.First(c => c.IsUsable);
}
