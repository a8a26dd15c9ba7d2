using System.Globalization;
using System.Text.Json;

namespace AiChat.Tests.Seeds;

/// <summary>What came of one call.</summary>
/// <param name="Step">The call as the document has it.</param>
/// <param name="Note">Why it was made although it is not its turn; empty when it is.</param>
/// <param name="Command">The call as it was made.</param>
/// <param name="Answer">What came back.</param>
/// <param name="IsUnknown">Whether it is about a chat that does not exist.</param>
public sealed record SeedResult(SeedStep Step, string Note, CurlCommand Command, CurlAnswer Answer, bool IsUnknown)
{
    private const int NoContent = 204;
    private const int NotFound = 404;

    /// <summary>How the answer differs from what the document says.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Names of fields the document does not have, with a comma.</summary>
    public string Extras { get; private set; } = "";

    /// <summary>Whether it is a list with nothing in it yet, which shows nothing of what the document says.</summary>
    public bool IsEmptyList { get; private set; }

    public JsonElement Json => JsonElement.Parse(Answer.Body);

    /// <summary>A line of the table of what was run.</summary>
    public override string ToString()
    {
        var note = Note.Length > 0 ? $" ({Note})" : "";
        return $"line {Step.Line,3} | {Command.Method} {Command.Target}{note} | {Answer.Status} {Answer.ContentType} | {Describe()}";
    }

    private string Describe()
    {
        if (Problems.Count > 0)
            return string.Join("; ", Problems);
        if (IsEmptyList)
            return "nothing in it yet";
        return Extras.Length > 0 ? $"as documented, and {Extras}" : "as documented";
    }

    /// <param name="echo">What was sent and has to come back.</param>
    /// <param name="mayBeEmpty">Whether a list may have nothing in it.</param>
    internal void Check(IReadOnlyDictionary<string, string> echo, bool mayBeEmpty)
    {
        if (IsUnknown ? Answer.Status != NotFound : Answer.Status is < 200 or >= 300)
            Problems.Add($"the status is {Answer.Status}: {Answer.Body}");
        else if (Step.ContentType is not null && Answer.ContentType != Step.ContentType)
            Problems.Add($"the content type is {Answer.ContentType}, expected {Step.ContentType}");
        else if (Step.Answer is not null && !IsUnknown && !MayHaveNoJson())
            CheckJson(Step.Answer, echo, mayBeEmpty);
    }

    /// <summary>Seed 002 does not say what comes of deleting; seed 004 has one example for the reply in JSON and as a stream.</summary>
    private bool MayHaveNoJson() =>
        (Answer.Status == NoContent && Step.Request == "DELETE /chats/{chat_id}")
        || (Answer.ContentType == "text/plain" && Step.Command.Data?.Contains("\"stream\": \"true\"", StringComparison.Ordinal) == true);

    private void CheckJson(Shape shape, IReadOnlyDictionary<string, string> echo, bool mayBeEmpty)
    {
        if (Answer.ContentType == "application/json")
            CheckShape(shape, echo, mayBeEmpty);
        else
            Problems.Add($"the answer is {Answer.Status} {Answer.ContentType}, expected JSON");
    }

    private void CheckShape(Shape shape, IReadOnlyDictionary<string, string> echo, bool mayBeEmpty)
    {
        IsEmptyList = mayBeEmpty && shape is ListShape { Name: not null } list && list.IsEmptyIn(Json);
        if (IsEmptyList)
            return;

        var report = shape.Check(Json);
        Problems.AddRange(report.Problems);
        Extras = string.Join(", ", report.Extras);
        foreach (var (name, value) in echo)
        {
            var actual = Json.TryGetProperty(name, out var field) ? field.GetString() : null;
            if (actual != value && !IsSameInstant(actual, value))
                Problems.Add($"$.{name} is {actual ?? "missing"}, sent was {value}");
        }
    }

    private static bool IsSameInstant(string? actual, string expected) =>
        DateTimeOffset.TryParse(actual, CultureInfo.InvariantCulture, out var one)
        && DateTimeOffset.TryParse(expected, CultureInfo.InvariantCulture, out var other) && one == other;
}
