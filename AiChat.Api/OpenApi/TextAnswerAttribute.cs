namespace AiChat.Api.OpenApi;

/// <summary>An action that can answer with text that is not JSON, such as <c>text/plain</c> or events of its own; the document shows one.</summary>
/// <param name="contentType">The text's media type.</param>
/// <param name="description">How to read it.</param>
/// <param name="example">A whole answer.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class TextAnswerAttribute(string contentType, string description, string example) : Attribute
{
    public string ContentType { get; } = contentType;

    public string Description { get; } = description;

    public string Example { get; } = example;
}
