using Microsoft.Extensions.Options;

namespace AiChat.Api.Configuration;

/// <summary>What the web server accepts.</summary>
public sealed class HttpServerOptions
{
    public const string Section = "Http";

    /// <summary>Largest request body in bytes; a larger one is answered with 413.</summary>
    public long MaxBodyBytes { get; set; } = 4 << 20;
}

public sealed class HttpServerOptionsValidator : IValidateOptions<HttpServerOptions>
{
    private const long Smallest = 1024;
    private const long Largest = 256 << 20;

    public ValidateOptionsResult Validate(string? name, HttpServerOptions options) =>
        options.MaxBodyBytes is >= Smallest and <= Largest
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"Http:MaxBodyBytes is {options.MaxBodyBytes}: write a number of bytes from {Smallest} to {Largest}.");
}
