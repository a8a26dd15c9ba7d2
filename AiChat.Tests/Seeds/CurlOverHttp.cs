using System.Net.Http.Headers;
using System.Text;

namespace AiChat.Tests.Seeds;

/// <summary>Sends what <c>curl</c> would send, where it is not installed.</summary>
public sealed class CurlOverHttp : ICurl, IDisposable
{
    /// <summary>What curl says of data when nobody says anything else.</summary>
    private const string UsualContentType = "application/x-www-form-urlencoded";

    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false });
    private readonly HttpClient following = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false });

    public async Task<CurlAnswer> RunAsync(CurlCommand command)
    {
        using var request = ToRequest(command);
        using var response = await (command.FollowsRedirects ? following : client).SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        return new CurlAnswer((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType ?? "", body);
    }

    public void Dispose()
    {
        client.Dispose();
        following.Dispose();
    }

    private static HttpRequestMessage ToRequest(CurlCommand command)
    {
        var url = command.Url.Contains("://", StringComparison.Ordinal) ? command.Url : "http://" + command.Url;
        var request = new HttpRequestMessage(new HttpMethod(command.Method), url);
        request.Headers.Add("Accept", "*/*");
        if (command.Data is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(command.Data));
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(UsualContentType);
        }

        foreach (var (name, value) in command.Headers)
            Set(request, name, value);
        return request;
    }

    private static void Set(HttpRequestMessage request, string name, string value)
    {
        if (!name.Equals("Content-Type", StringComparison.OrdinalIgnoreCase))
            request.Headers.TryAddWithoutValidation(name, value);
        else if (request.Content is not null)
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
    }
}
