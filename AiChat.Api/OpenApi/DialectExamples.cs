namespace AiChat.Api.OpenApi;

/// <summary>
/// What a dialect shows as examples beside <see cref="Examples"/>: each dialect registers one. Keep to the same chat, so that the examples of
/// all routes tell one story.
/// </summary>
internal sealed record DialectExamples
{
    /// <summary>Bodies to send, by the type of the request.</summary>
    public IReadOnlyDictionary<Type, IReadOnlyList<RequestExample>> Requests { get; init; } = new Dictionary<Type, IReadOnlyList<RequestExample>>();

    /// <summary>Answers, each of the type its action declares.</summary>
    public IReadOnlyList<object> Answers { get; init; } = [];

    /// <summary>Problems whose texts are the dialect's own, named as its actions name them in <see cref="ProblemsAttribute"/>.</summary>
    public IReadOnlyList<ProblemExample> Problems { get; init; } = [];
}
