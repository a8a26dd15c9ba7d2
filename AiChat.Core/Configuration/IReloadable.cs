namespace AiChat.Core.Configuration;

/// <summary>A part of the server that follows a changed configuration without a restart. All parts change, or none.</summary>
public interface IReloadable
{
    /// <summary>Reads the configuration as it is now and checks it. Nothing changes yet.</summary>
    /// <param name="problems">One sentence for everything that is wrong is added, naming the key and the cure.</param>
    /// <returns>Makes it take effect; called only when no part has found a problem. It does not throw.</returns>
    Action Prepare(ICollection<string> problems);
}
