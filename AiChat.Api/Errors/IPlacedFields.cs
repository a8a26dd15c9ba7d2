namespace AiChat.Api.Errors;

/// <summary>A request whose fields may stand in more than one place.</summary>
internal interface IPlacedFields
{
    /// <summary>Where this field stands, or should have.</summary>
    FieldPlace GetPlace(string field);
}
