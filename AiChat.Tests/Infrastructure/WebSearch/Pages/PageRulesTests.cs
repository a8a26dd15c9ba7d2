using AiChat.Infrastructure.WebSearch.Pages;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

public sealed class PageRulesTests
{
    [TestCase("http://example.com")]
    [TestCase("https://example.com/a/path?with=a%20query#and-fragment")]
    [TestCase("HTTPS://WWW.Example.COM:443/")]
    [TestCase("http://example.com:443/")]
    [TestCase("https://a-b.c_d.example.museum/")]
    [TestCase("https://bücher.example.com/")]
    [TestCase("https://xn--bcher-kva.example.com/")]
    [TestCase("https://www.例え.テスト/")]
    [TestCase("https://localhost.example.com/")]
    [TestCase("https://mylocal.com/")]
    [TestCase("http://8.8.8.8/")]
    [TestCase("http://[2606:4700:4700::1111]/")]
    public void FindRefusal_PlaceOfTheInternet_IsNull(string url)
    {
        Assert.That(Find(url), Is.Null);
    }

    [TestCase("file:///etc/passwd")]
    [TestCase("ftp://example.com/")]
    [TestCase("gopher://example.com/")]
    [TestCase("data:text/html,hello")]
    [TestCase("javascript:alert(1)")]
    [TestCase("ws://example.com/")]
    [TestCase("about:blank")]
    [TestCase("//127.0.0.1/")]
    [TestCase("\\\\127.0.0.1\\share")]
    public void FindRefusal_OtherScheme_IsScheme(string url)
    {
        Assert.That(Find(url), Is.EqualTo(PageRefusal.Scheme));
    }

    [Test]
    public void FindRefusal_RelativeUrl_IsScheme()
    {
        Assert.That(new PageRules([]).FindRefusal(new Uri("a/path", UriKind.Relative)), Is.EqualTo(PageRefusal.Scheme));
    }

    [TestCase("http://user@example.com/")]
    [TestCase("http://user:password@example.com/")]
    [TestCase("http://:@example.com/")]
    [TestCase("http://example.com@127.0.0.1/")]
    [TestCase("http://example.com:80@127.0.0.1/")]
    [TestCase("http://example.com%2f@127.0.0.1/")]
    public void FindRefusal_UserInfo_IsUserInfo(string url)
    {
        Assert.That(Find(url), Is.EqualTo(PageRefusal.UserInfo));
    }

    [TestCase("http://example.com:0/")]
    [TestCase("http://example.com:22/")]
    [TestCase("http://example.com:8080/")]
    [TestCase("https://example.com:8443/")]
    [TestCase("http://example.com:6379/")]
    [TestCase("http://example.com:65535/")]
    public void FindRefusal_OddPort_IsPort(string url)
    {
        Assert.That(Find(url), Is.EqualTo(PageRefusal.Port));
    }

    [TestCase("http://127.0.0.1/")]
    [TestCase("http://127.0.0.1#@example.com/")]
    [TestCase("http://2130706433/")]
    [TestCase("http://0177.0.0.1/")]
    [TestCase("http://017700000001/")]
    [TestCase("http://0x7f000001/")]
    [TestCase("http://0x7f.0.0.1/")]
    [TestCase("http://127.1/")]
    [TestCase("http://127.0.1/")]
    [TestCase("http://0/")]
    [TestCase("http://0.0.0.0/")]
    [TestCase("http://10.1.2.3/")]
    [TestCase("http://169.254.169.254/latest/meta-data/")]
    [TestCase("http://2852039166/")]
    [TestCase("http:\\\\127.0.0.1/")]
    [TestCase("http://[::]/")]
    [TestCase("http://[::1]/")]
    [TestCase("http://[::ffff:127.0.0.1]/")]
    [TestCase("http://[::ffff:7f00:1]/")]
    [TestCase("http://[0:0:0:0:0:ffff:127.0.0.1]/")]
    [TestCase("http://[64:ff9b::7f00:1]/")]
    [TestCase("http://[fe80::1%25eth0]/")]
    [TestCase("http://[fd00:ec2::254]/")]
    [TestCase("http://127。0。0。1/")]
    [TestCase("http://127.0.0.1/")]
    public void FindRefusal_SpecialAddressInAnyForm_IsAddress(string url)
    {
        Assert.That(Find(url), Is.EqualTo(PageRefusal.Address));
    }

    [TestCase("http://localhost/")]
    [TestCase("http://LOCALHOST/")]
    [TestCase("http://localhost./")]
    [TestCase("http://a.localhost/")]
    [TestCase("http://printer/")]
    [TestCase("http://printer.local/")]
    [TestCase("http://metadata.google.internal/")]
    [TestCase("http://router.home.arpa/")]
    [TestCase("http://home.arpa/")]
    [TestCase("http://127.0.0.1./")]
    [TestCase("http://example.com./")]
    [TestCase("http://256.256.256.256/")]
    [TestCase("http://1.2.3.4.5/")]
    [TestCase("http://a.0x7f/")]
    [TestCase("http://①②⑦.0.0.1/")]
    public void FindRefusal_NoFullName_IsHost(string url)
    {
        Assert.That(Find(url), Is.EqualTo(PageRefusal.Host));
    }

    /// <summary>URLs to the framework, names to no resolver: what it makes of them for one is an exception.</summary>
    [TestCase("http://xn--ü.com/")]
    [TestCase("http://xn--ü.com:8080/")]
    [TestCase("http://{0}.com/")]
    public void FindRefusal_HostThatHasNoName_IsHost(string format)
    {
        var url = string.Format(null, format, new string('ü', 100));

        Assert.That((Find(url), Find(url, "intranet")), Is.EqualTo(((PageRefusal?)PageRefusal.Host, (PageRefusal?)PageRefusal.Host)));
    }

    /// <summary>Whether they make a name depends on the tables of the system; where they do, nobody has it.</summary>
    [TestCase("http://a\u0378b.com/")]
    [TestCase("https://\u200d.com/")]
    public void FindRefusal_HostThatSomeSystemsGiveNoName_IsNoFailure(string url)
    {
        Assert.That(Find(url), Is.Null.Or.EqualTo(PageRefusal.Host));
    }

    /// <summary>Nothing is refused here because nothing gets here.</summary>
    [TestCase("http://example.com\\@127.0.0.1/")]
    [TestCase("http://127.0.0.1\\@example.com/")]
    [TestCase("http:/127.0.0.1/")]
    [TestCase("http:127.0.0.1")]
    [TestCase("http://%31%32%37.0.0.1/")]
    [TestCase("http://127.0.0.1%00.example.com/")]
    [TestCase("http://example.c%6fm/")]
    [TestCase("http://exa mple.com/")]
    public void Uri_TrickThatIsNoUrl_IsNone(string url)
    {
        Assert.That(Uri.TryCreate(url, UriKind.Absolute, out _), Is.False);
    }

    [TestCase("intranet.example:8080", "http://intranet.example:8080/a")]
    [TestCase("intranet.example:8080", "http://INTRANET.example:8080/a")]
    [TestCase(" intranet ", "http://intranet/")]
    [TestCase("intranet", "https://intranet/")]
    [TestCase("127.0.0.1:5000", "http://127.0.0.1:5000/")]
    [TestCase("127.0.0.1:5000", "http://2130706433:5000/")]
    [TestCase("[::1]:5000", "http://[::1]:5000/")]
    [TestCase("[::1]", "http://[0:0::1]/")]
    [TestCase("localhost:80", "http://localhost/")]
    public void FindRefusal_AllowedHost_IsNull(string entry, string url)
    {
        Assert.That(Find(url, entry), Is.Null);
    }

    [TestCase("http://intranet.example:8081/", PageRefusal.Port)]
    [TestCase("http://intranet.example.com:8080/", PageRefusal.Port)]
    [TestCase("http://127.0.0.1:8080/", PageRefusal.Port)]
    [TestCase("http://127.0.0.1/", PageRefusal.Address)]
    [TestCase("ftp://intranet.example:8080/", PageRefusal.Scheme)]
    [TestCase("http://user@intranet.example:8080/", PageRefusal.UserInfo)]
    [TestCase("http://other:8080/", PageRefusal.Port)]
    [TestCase("http://printer:9100/", PageRefusal.Port)]
    public void FindRefusal_BesideTheAllowedHosts_IsAsEver(string url, object refusal)
    {
        Assert.That(Find(url, "intranet.example:8080", "printer"), Is.EqualTo(refusal));
    }

    private static PageRefusal? Find(string url, params string[] allowed) => new PageRules(allowed).FindRefusal(new Uri(url));
}
