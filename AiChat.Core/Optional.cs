namespace AiChat.Core;

/// <summary>A value that may be absent, which is not the same as null: absent leaves things as they are, null empties them.</summary>
public readonly record struct Optional<T>(T Value)
{
    private readonly bool isGiven = true;

    public bool IsGiven => isGiven;

    public static implicit operator Optional<T>(T value) => new(value);
}
