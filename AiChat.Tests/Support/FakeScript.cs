namespace AiChat.Tests.Support;

/// <summary>What a fake provider does with one request.</summary>
public enum FakeScript
{
    /// <summary>Answers as it should.</summary>
    Answer,
    /// <summary>429 with a Retry-After.</summary>
    RateLimited,
    /// <summary>500.</summary>
    Broken,
    /// <summary>Says nothing, or no text, until it is released.</summary>
    HangBeforeFirstToken,
    /// <summary>Stops in the middle until it is released.</summary>
    HangInTheMiddle,
    /// <summary>Closes the connection in the middle.</summary>
    CutInTheMiddle,
    /// <summary>Takes its time in front of every piece.</summary>
    Slow,
    /// <summary>The model is there no more.</summary>
    RetiredModel,
    /// <summary>401.</summary>
    WrongKey,
    /// <summary>Answers as it should, but does not say what it took.</summary>
    NoUsage,
}
