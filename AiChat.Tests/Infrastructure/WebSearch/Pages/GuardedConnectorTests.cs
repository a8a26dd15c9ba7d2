using AiChat.Infrastructure.WebSearch.Pages;
using AiChat.Tests.Support;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

/// <summary>What is connected to, with no rules for URLs in front. The server listens where all these names and addresses lead.</summary>
public sealed class GuardedConnectorTests
{
    private PageServer server = null!;
    private ScriptedResolver names = null!;

    [SetUp]
    public async Task Start()
    {
        server = await PageServer.StartAsync();
        server.ServeHtml("/", "here");
        names = new ScriptedResolver();
    }

    [TearDown]
    public async Task Stop() => await server.DisposeAsync();

    [TestCase("127.0.0.1")]
    [TestCase("127.1")]
    [TestCase("2130706433")]
    [TestCase("0177.0.0.1")]
    [TestCase("0x7f000001")]
    [TestCase("0.0.0.0")]
    [TestCase("[::ffff:127.0.0.1]")]
    public void ConnectAsync_AddressThatLeadsHere_IsRefused(string host)
    {
        AssertRefused(host);
    }

    [TestCase("127.0.0.1")]
    [TestCase("0.0.0.0")]
    [TestCase("::ffff:127.0.0.1")]
    [TestCase("8.8.8.8", "127.0.0.1")]
    [TestCase("127.0.0.1", "8.8.8.8")]
    [TestCase("127.0.0.1", "2606:4700:4700::1111")]
    public void ConnectAsync_NameThatLeadsHere_IsRefused(params string[] addresses)
    {
        names.Answer("www.example.com", addresses);

        AssertRefused("www.example.com");
    }

    /// <summary>The tests above would pass for ever if nothing could be reached.</summary>
    [TestCase("127.0.0.1")]
    [TestCase("0.0.0.0")]
    [TestCase("::ffff:127.0.0.1")]
    public async Task ConnectAsync_AllowedName_IsReached(string address)
    {
        names.Answer("www.example.com", address);

        var text = await GetAsync("www.example.com", $"www.example.com:{server.Port}");

        Assert.That((text, server.Connections), Is.EqualTo(("here", 1)));
    }

    [Test]
    public void ConnectAsync_NameAllowedOnAnotherPort_IsRefused()
    {
        names.Answer("www.example.com", "127.0.0.1");

        AssertRefused("www.example.com", "www.example.com:1", "www.example.com");
    }

    [Test]
    public async Task ConnectAsync_EveryRequest_IsCheckedAnew()
    {
        names.Answer("www.example.com", "127.0.0.1");
        using var client = Client($"www.example.com:{server.Port}");

        await client.GetStringAsync(Url("www.example.com"));
        await client.GetStringAsync(Url("www.example.com"));

        Assert.That((names.Questions.Count, server.Connections), Is.EqualTo((2, 2)));
    }

    [Test]
    public void ConnectAsync_NameWithoutAddress_IsNoConnection()
    {
        names.Answer("www.example.com");

        var failure = Assert.ThrowsAsync<HttpRequestException>(() => GetAsync("www.example.com"));

        Assert.That((failure.InnerException is PageRefusedException, server.Connections), Is.EqualTo((false, 0)));
    }

    private void AssertRefused(string host, params string[] allowed)
    {
        var failure = Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(host, allowed));
        Assert.Multiple(() =>
        {
            Assert.That((failure.InnerException as PageRefusedException)?.Refusal, Is.EqualTo(PageRefusal.Address));
            Assert.That(server.Connections, Is.Zero);
        });
    }

    private async Task<string> GetAsync(string host, params string[] allowed)
    {
        using var client = Client(allowed);
        return await client.GetStringAsync(Url(host));
    }

    private HttpClient Client(params string[] allowed) => PageHttp.CreateClient(new GuardedConnector(new PageRules(allowed), names));

    private Uri Url(string host) => new($"http://{host}:{server.Port}/");
}
