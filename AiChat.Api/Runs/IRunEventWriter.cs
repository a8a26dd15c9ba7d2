using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>How the events of a run look to those who follow it.</summary>
internal interface IRunEventWriter
{
    /// <summary>Writes an event into the response's own buffer; nothing where these followers are not shown it.</summary>
    void Write(RunEvent runEvent);
}
