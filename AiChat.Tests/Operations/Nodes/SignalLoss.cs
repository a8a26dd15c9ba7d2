namespace AiChat.Tests.Operations.Nodes;

/// <summary>Why servers do not hear each other.</summary>
public enum SignalLoss
{
    /// <summary>Their listening connections break again and again; each time they know that they may have missed something.</summary>
    BrokenListeners,
    /// <summary>Nothing that is told arrives, and nobody notices.</summary>
    Silence,
}
