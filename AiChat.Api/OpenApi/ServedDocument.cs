using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.Swagger;

namespace AiChat.Api.OpenApi;

/// <summary>The OpenAPI document as it is served: generated at the first request and kept, because nothing in it changes.</summary>
internal sealed class ServedDocument(IAsyncSwaggerProvider generator)
{
    private readonly Lazy<Task<Served>> served = new(() => GenerateAsync(generator));

    public async Task<FileContentHttpResult> GetAsync()
    {
        var (json, tag) = await served.Value;
        return TypedResults.File(json, "application/json; charset=utf-8", entityTag: tag);
    }

    private static async Task<Served> GenerateAsync(IAsyncSwaggerProvider generator)
    {
        var document = await generator.GetSwaggerAsync(OpenApiSetup.DocumentName);
        var stream = new MemoryStream();
        await document.SerializeAsJsonAsync(stream, OpenApiSpecVersion.OpenApi3_0);
        var json = stream.ToArray();
        return new Served(json, new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(json)[..8])}\""));
    }

    private sealed record Served(byte[] Json, EntityTagHeaderValue Tag);
}
