namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>Why the guard lets nobody fetch a page.</summary>
internal enum PageRefusal
{
    /// <summary>It is neither http nor https.</summary>
    Scheme,

    /// <summary>The URL carries a user's name or password.</summary>
    UserInfo,

    /// <summary>The port is neither 80 nor 443.</summary>
    Port,

    /// <summary>The host is no full name of the public internet.</summary>
    Host,

    /// <summary>The host's address is not one of the public internet.</summary>
    Address,
}

internal static class PageRefusalText
{
    /// <summary>The reason as it is logged.</summary>
    public static string ToText(this PageRefusal refusal) => refusal switch
    {
        PageRefusal.Scheme => "only http and https are read",
        PageRefusal.UserInfo => "its URL carries a user name or password",
        PageRefusal.Port => "its port is neither 80 nor 443, nor in WebSearch:AllowedHosts",
        PageRefusal.Host => "its host is no full name of the public internet, nor in WebSearch:AllowedHosts",
        PageRefusal.Address => "its host has an address outside the public internet, and is not in WebSearch:AllowedHosts",
        _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal, null),
    };
}
