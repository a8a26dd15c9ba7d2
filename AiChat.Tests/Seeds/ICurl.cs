namespace AiChat.Tests.Seeds;

/// <summary>Runs a call of <c>curl</c>.</summary>
public interface ICurl
{
    Task<CurlAnswer> RunAsync(CurlCommand command);
}

/// <summary>What came of a call.</summary>
/// <param name="Status">The status of the last answer.</param>
/// <param name="ContentType">Its media type without parameters; empty when there is none.</param>
/// <param name="Body">Its body, all of it.</param>
public sealed record CurlAnswer(int Status, string ContentType, string Body);
