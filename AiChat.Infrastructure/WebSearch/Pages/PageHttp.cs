using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>Requests to hosts nobody vouches for: they learn nothing, and lead nowhere by themselves.</summary>
internal static class PageHttp
{
    private const string Accept = "text/html, application/xhtml+xml, text/plain;q=0.8";
    private const int LongestHeadersInKibibytes = 32;

    /// <summary>What a certificate must be good for (RFC 5280, id-kp-serverAuth).</summary>
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>A client that neither follows redirects nor times out by itself.</summary>
    public static HttpClient CreateClient(GuardedConnector connector)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = connector.ConnectAsync,
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.All,
            MaxResponseHeadersLength = LongestHeadersInKibibytes,
            // Every request makes its own connection, so that each is checked for the request it serves.
            PooledConnectionLifetime = TimeSpan.Zero,
            ResponseDrainTimeout = TimeSpan.Zero,
            ActivityHeadersPropagator = null,
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = CreateChainPolicy() },
        };
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.ParseAdd($"AiChat/{typeof(PageHttp).Assembly.GetName().Version?.ToString(3)}");
        client.DefaultRequestHeaders.Accept.ParseAdd(Accept);
        return client;
    }

    /// <summary>A certificate may name an address its issuer is to be loaded from: a request no guard would see.</summary>
    private static X509ChainPolicy CreateChainPolicy()
    {
        var policy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
        policy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        return policy;
    }
}
