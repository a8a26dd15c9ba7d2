using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AiChat.Infrastructure.WebSearch.Pages;
using AiChat.Tests.Support;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

/// <summary>Ways strangers have of making a server fetch what only it can reach. Each is refused for its reason, and nothing inside notices.</summary>
public sealed class PageReaderGuardTests : PageReaderTestBase
{
    private const string Secret = "/secret?token=5ecret#part";

    [TestCase("127.0.0.1")]
    [TestCase("2130706433")]
    [TestCase("0177.0.0.1")]
    [TestCase("0x7f000001")]
    [TestCase("127.1")]
    [TestCase("0.0.0.0")]
    [TestCase("10.0.0.1")]
    [TestCase("100.64.0.1")]
    [TestCase("169.254.169.254")]
    [TestCase("172.16.0.1")]
    [TestCase("192.168.0.1")]
    [TestCase("198.18.0.1")]
    [TestCase("224.0.0.1")]
    [TestCase("255.255.255.255")]
    [TestCase("[::]")]
    [TestCase("[::1]")]
    [TestCase("[::ffff:127.0.0.1]")]
    [TestCase("[::ffff:a9fe:a9fe]")]
    [TestCase("[64:ff9b::7f00:1]")]
    [TestCase("[2002:7f00:1::]")]
    [TestCase("[fd00:ec2::254]")]
    [TestCase("[fe80::1]")]
    [TestCase("[ff02::1]")]
    public async Task ReadAsync_SpecialAddress_IsRefused(string host)
    {
        var url = new Uri($"http://{host}{Secret}");

        await AssertRefusedAsync(url, PageRefusal.Address, url.Host);
        await AssertRedirectRefusedAsync(url.OriginalString, PageRefusal.Address, url.Host);
    }

    [TestCase("localhost")]
    [TestCase("localhost.")]
    [TestCase("127.0.0.1.")]
    [TestCase("metadata.google.internal")]
    [TestCase("printer")]
    public async Task ReadAsync_NameOfTheInside_IsRefusedUnresolved(string host)
    {
        await AssertRefusedAsync(new Uri($"http://{host}{Secret}"), PageRefusal.Host, host);
        await AssertRedirectRefusedAsync($"http://{host}{Secret}", PageRefusal.Host, host);
        Assert.That(Names.Questions, Has.None.EqualTo(host));
    }

    [TestCase("xn--ü.com")]
    [TestCase("üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü.com")]
    public async Task ReadAsync_HostThatHasNoName_IsRefused(string host)
    {
        var url = new Uri($"http://{host}{Secret}");

        await AssertRefusedAsync(url, PageRefusal.Host, url.Host);
        await AssertRedirectRefusedAsync(url.OriginalString, PageRefusal.Host, url.Host);
    }

    [TestCase("127.0.0.1")]
    [TestCase("localhost")]
    [TestCase("[::ffff:127.0.0.1]")]
    [TestCase("www.example.com")]
    public async Task ReadAsync_OddPort_IsRefused(string host)
    {
        var url = $"http://{host}:{Inside.Port}{Secret}";

        await AssertRefusedAsync(new Uri(url), PageRefusal.Port, host);
        await AssertRedirectRefusedAsync(url, PageRefusal.Port, host);
    }

    [TestCase("http://www.example.com@127.0.0.1:{0}/secret")]
    [TestCase("http://www.example.com:80@127.0.0.1:{0}/secret")]
    [TestCase("http://www.example.com%2f@127.0.0.1:{0}/secret")]
    [TestCase("http://user:password@127.0.0.1:{0}/secret")]
    public async Task ReadAsync_UserInfo_IsRefused(string format)
    {
        var url = string.Format(null, format, Inside.Port);

        await AssertRefusedAsync(new Uri(url), PageRefusal.UserInfo, "127.0.0.1");
        await AssertRedirectRefusedAsync(url, PageRefusal.UserInfo, "127.0.0.1");
    }

    [TestCase("file:///etc/passwd", "")]
    [TestCase("ftp://127.0.0.1/secret", "127.0.0.1")]
    [TestCase("gopher://127.0.0.1/secret", "127.0.0.1")]
    [TestCase("data:text/html,hello", "")]
    [TestCase("javascript:alert(1)", "")]
    public async Task ReadAsync_OtherScheme_IsRefused(string url, string host)
    {
        await AssertRefusedAsync(new Uri(url), PageRefusal.Scheme, host);
        await AssertRedirectRefusedAsync(url, PageRefusal.Scheme, host);
    }

    [TestCase("//127.0.0.1:{0}/secret")]
    [TestCase("\\/127.0.0.1:{0}/secret")]
    [TestCase("http:\\\\127.0.0.1:{0}/secret")]
    [TestCase("http://127.0.0.1:{0}#@www.example.com/")]
    [TestCase("http://127.0.0.1:{0}?@www.example.com/")]
    [TestCase("https://127.0.0.1:{0}/secret")]
    public async Task ReadAsync_RedirectInDisguise_IsRefused(string format)
    {
        await AssertRedirectRefusedAsync(string.Format(null, format, Inside.Port), PageRefusal.Port, "127.0.0.1");
    }

    [TestCase(301)]
    [TestCase(302)]
    [TestCase(303)]
    [TestCase(307)]
    [TestCase(308)]
    public async Task ReadAsync_ChainThatEndsInside_IsRefused(int status)
    {
        Site.ServeRedirect("/1", "2?a=b", status);
        Site.ServeRedirect("/2", $"{Site.BaseUrl}/3", status);
        Site.ServeRedirect("/3", $"http://127.0.0.1{Secret}", status);

        await AssertRefusedAsync(Site.Url("/1"), PageRefusal.Address, "127.0.0.1");

        Assert.That(Site.Requests.Select(r => r.Target), Is.EqualTo(new[] { "/1", "/2?a=b", "/3" }));
    }

    [TestCase("127.0.0.1")]
    [TestCase("0.0.0.0")]
    [TestCase("169.254.169.254")]
    [TestCase("::1")]
    [TestCase("::ffff:127.0.0.1")]
    [TestCase("8.8.8.8", "10.0.0.1")]
    [TestCase("fd00::1", "2606:4700:4700::1111")]
    public async Task ReadAsync_NameThatLeadsInside_IsRefused(params string[] addresses)
    {
        Names.Answer("www.example.com", addresses);

        await AssertRefusedAsync(new Uri($"https://www.example.com{Secret}"), PageRefusal.Address, "www.example.com");
        await AssertRedirectRefusedAsync($"https://www.example.com{Secret}", PageRefusal.Address, "www.example.com");
    }

    /// <summary>
    /// The first answer is public, and leads nowhere: the prefix of NAT64 is not announced on the internet. The second one, that leads inside,
    /// is not asked for, because what was checked is what is connected to.
    /// </summary>
    [Test]
    public async Task ReadAsync_NameThatChangesAfterTheCheck_IsAskedForOnce()
    {
        Names.Answer("www.example.com", "64:ff9b::808:808");
        Names.Answer("www.example.com", "127.0.0.1");

        var page = await ReadOrGiveUpAsync(new Uri("http://www.example.com/secret"));

        Assert.That((page, Names.Questions.Count, Inside.Connections), Is.EqualTo(((string?)null, 1, 0)));
    }

    [Test]
    public async Task ReadAsync_NameThatChangesBetweenTwoReads_IsRefused()
    {
        Names.Answer("www.example.com", "64:ff9b::808:808");
        Names.Answer("www.example.com", "127.0.0.1");
        await ReadOrGiveUpAsync(new Uri("http://www.example.com/"));

        await AssertRefusedAsync(new Uri("http://www.example.com/secret"), PageRefusal.Address, "www.example.com");
    }

    [Test]
    public async Task ReadAsync_LongHost_IsCutInTheLog()
    {
        var host = string.Join('.', Enumerable.Repeat("abcdefghi", 24)) + ".local";

        await AssertRefusedAsync(new Uri($"http://{host}/"), PageRefusal.Host, host[..100]);
    }

    [Test]
    public async Task ReadAsync_NothingAllowed_RefusesTheSite()
    {
        Options.AllowedHosts.Clear();
        UseOptions();

        await AssertRefusedAsync(Site.Url("/"), PageRefusal.Port, "127.0.0.1");

        Assert.That(Site.Connections, Is.Zero);
    }

    /// <summary>A certificate may tell where its issuer can be had; whoever follows that fetches from wherever a stranger wants.</summary>
    [Test]
    public async Task ReadAsync_CertificateThatNamesAnAddressInside_IsNotFollowed()
    {
        using var certificate = CreateCertificate(issuerUrl: $"{Inside.BaseUrl}/secret");
        await using var secure = await PageServer.StartAsync(certificate);
        Options.AllowedHosts.Add(secure.Authority);
        UseOptions();

        var page = await ReadAsync(new Uri($"https://{secure.Authority}/"));

        Assert.That((page, secure.Connections, Inside.Connections), Is.EqualTo((default(object), 1, 0)));
        AssertUnread("the request failed, SecureConnectionError");
    }

    private async Task AssertRedirectRefusedAsync(string location, PageRefusal refusal, string host)
    {
        Site.ServeRedirect("/away", location);
        await AssertRefusedAsync(Site.Url("/away"), refusal, host);
    }

    /// <summary>Connecting to an address that leads nowhere may take for ever, or fail at once where there is no IPv6.</summary>
    private async Task<string?> ReadOrGiveUpAsync(Uri url)
    {
        using var patience = new CancellationTokenSource();
        Names.Asked = () => patience.CancelAfter(TimeSpan.FromMilliseconds(100));
        try
        {
            return (await ReadAsync(url, patience.Token))?.Text;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        finally
        {
            Names.Asked = null;
        }
    }

    private static X509Certificate2 CreateCertificate(string issuerUrl)
    {
        using var issuerKey = RSA.Create(2048);
        var issuerRequest = new CertificateRequest("CN=Issuer", issuerKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        issuerRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var issuer = issuerRequest.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));

        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([], [issuerUrl]));
        using var signed = request.Create(issuer, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), [1, 2, 3, 4]);
        using var withKey = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), password: null);
    }
}
