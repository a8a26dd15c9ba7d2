namespace AiChat.Tests.Operations.Chaos;

/// <summary>What a client may just have been told when the server is killed.</summary>
internal enum ChaosMoment
{
    /// <summary>Its message is accepted: the head of the answer is there.</summary>
    Accepted,
    /// <summary>A piece of the text.</summary>
    Text,
    /// <summary>The end.</summary>
    End,
}
