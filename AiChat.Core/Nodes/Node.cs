namespace AiChat.Core.Nodes;

/// <summary>This process among those that share a database. A process that starts again is another one.</summary>
public sealed class Node
{
    public string Id { get; } = Guid.CreateVersion7().ToString();

    /// <summary>Whether another process was alive when it was last looked for one.</summary>
    public bool HasOthers { get; set; }
}
