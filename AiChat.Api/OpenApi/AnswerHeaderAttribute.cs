namespace AiChat.Api.OpenApi;

/// <summary>A header an action sends with one status. Its description stands in <see cref="Headers"/>.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class AnswerHeaderAttribute(int status, string name) : Attribute
{
    public int Status { get; } = status;

    public string Name { get; } = name;
}
