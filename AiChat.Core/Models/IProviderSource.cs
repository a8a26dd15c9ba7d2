namespace AiChat.Core.Models;

/// <summary>Makes the providers the configuration names.</summary>
public interface IProviderSource
{
    /// <summary>
    /// The providers the configuration names now. One whose settings are as they were is the same one as before. Those that are not named
    /// any more can still be used.
    /// </summary>
    /// <param name="problems">One sentence for every setting that is wrong is added; then the providers serve for their names alone.</param>
    IReadOnlyList<IProvider> Read(ICollection<string> problems);
}
