using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Support;

/// <summary>An answer of the application, read to its end.</summary>
public sealed partial record ApiReply(int Status, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders, string Text)
{
    public JsonElement Json => JsonElement.Parse(Text);

    public string? ContentType => ContentHeaders.ContentType?.MediaType;

    public string RequestId => GetHeader("x-request-id")!;

    /// <summary>The problem's stable name.</summary>
    public string? Code => Json.Text("code");

    /// <summary>
    /// The body as it came, with what differs from run to run replaced by its format: <c>&lt;uuid&gt;</c> for a UUIDv7,
    /// <c>&lt;instant&gt;</c> for an instant in UTC with milliseconds, <c>&lt;trace&gt;</c> for the request's id.
    /// </summary>
    public string Masked => TraceId().Replace(Instant().Replace(Uuid().Replace(Text, "\"<uuid>\""), "\"<instant>\""), "\"trace_id\":\"<trace>\"");

    /// <summary>The names of the fields a problem complains about, sorted.</summary>
    public IReadOnlyList<string> ErrorFields =>
        [.. Json.GetProperty("errors").EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal)];

    /// <summary>Null when there is none.</summary>
    public string? GetHeader(string name) => Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;

    /// <summary>Where the <c>Link</c> header leads for this relation; null when it leads nowhere.</summary>
    public string? GetLink(string relation) =>
        Links().Matches(GetHeader("Link") ?? "").FirstOrDefault(m => m.Groups["relation"].Value == relation)?.Groups["target"].Value;

    public static async Task<ApiReply> ReadAsync(HttpResponseMessage response) =>
        new((int)response.StatusCode, response.Headers, response.Content.Headers, await response.Content.ReadAsStringAsync());

    [GeneratedRegex("\"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\"")]
    private static partial Regex Uuid();

    [GeneratedRegex("\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\"")]
    private static partial Regex Instant();

    [GeneratedRegex("\"trace_id\":\"[^\"]+\"")]
    private static partial Regex TraceId();

    [GeneratedRegex("<(?<target>[^>]+)>; rel=\"(?<relation>[^\"]+)\"", RegexOptions.ExplicitCapture)]
    private static partial Regex Links();
}

/// <summary>Short ways into JSON, by the names clients use.</summary>
public static class JsonReading
{
    public static string? Text(this JsonElement json, string name) => json.GetProperty(name).GetString();

    public static int Number(this JsonElement json, string name) => json.GetProperty(name).GetInt32();

    public static bool IsNull(this JsonElement json, string name) => json.GetProperty(name).ValueKind == JsonValueKind.Null;

    /// <summary>The array's items.</summary>
    public static IReadOnlyList<JsonElement> Items(this JsonElement json) => [.. json.EnumerateArray()];

    /// <summary>One text of every item of the array.</summary>
    public static IReadOnlyList<string?> Texts(this JsonElement json, string name) => [.. json.EnumerateArray().Select(i => i.Text(name))];

    /// <summary>One number of every item of the array.</summary>
    public static IReadOnlyList<int> Numbers(this JsonElement json, string name) => [.. json.EnumerateArray().Select(i => i.Number(name))];
}
