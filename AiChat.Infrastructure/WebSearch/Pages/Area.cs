namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>The part of a page something stands in.</summary>
internal enum Area
{
    /// <summary>Anywhere else.</summary>
    Body,

    /// <summary>What the page marks as its main part, or as an article.</summary>
    Main,

    /// <summary>A form.</summary>
    Form,

    /// <summary>The title of the page.</summary>
    Title,

    /// <summary>Hidden, or no part of what the page says: scripts, menus, headers, footers.</summary>
    Skipped,
}

internal static class AreaReading
{
    public static bool IsShown(this Area area) => area is Area.Body or Area.Main or Area.Form;
}
