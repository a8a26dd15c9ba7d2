namespace AiChat.Api.Errors;

/// <summary>Where a field stands in a request.</summary>
internal enum FieldPlace
{
    /// <summary>In the JSON body.</summary>
    Body,

    /// <summary>In the path.</summary>
    Path,

    /// <summary>Behind the question mark.</summary>
    Query,

    /// <summary>Among the headers.</summary>
    Header,
}
