using System.Net.Sockets;
using System.Text;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Errors;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Moq;

namespace AiChat.Tests.Api.Dialects;

/// <summary>What is said in a query of seed 001 is in no log, whatever its level, and in no telemetry.</summary>
public sealed class ChatHistoryPrivacyTests : ChatHistoryTestBase
{
    private const string Secret = "treasure";
    private const string Unknown = "0199c0de-0000-7000-8000-000000000000";

    private static readonly (string, string)[] EverythingLogged = [("Logging:LogLevel:Default", "Trace"), ("Logging:LogLevel:Microsoft", "Trace")];

    private static readonly (string, string)[] Exported = [("GROQ_API_KEY", AiChatApplication.GroqKey), ("Telemetry:IncludeContents", "true")];

    [Test]
    public async Task AddMessage_InTheQuery_IsNotLogged()
    {
        StartApp(EverythingLogged);
        var id = await OpenAsync();

        var reply = await AddByQueryAsync(id, ("role", "assistant"), ("content", Secret), ("tool_calls", $"\"{Secret}\""));

        Assert.That(reply.Text, Does.Contain(Secret));
        await AssertNothingLoggedAsync("POST /conversations/{id}/messages 200");
    }

    [Test]
    public async Task AddMessage_InTheBody_IsNotLogged()
    {
        StartApp(EverythingLogged);
        var id = await OpenAsync();

        var reply = await AddAsync(id, new { role = "assistant", content = Secret, tool_calls = new { a = Secret } });

        Assert.That(reply.Text, Does.Contain(Secret));
        await AssertNothingLoggedAsync("POST /conversations/{id}/messages 200");
    }

    [TestCase($"/conversations/{Unknown}/messages?role=user&content={Secret}", 404)]
    [TestCase($"/conversations/{Unknown}/messages?role=nobody&content={Secret}&tool_calls={Secret}", 422)]
    [TestCase($"/conversations/x/messages?role=user&content={Secret}", 400)]
    public async Task AddMessage_Refused_IsNotLogged(string target, int status)
    {
        StartApp(EverythingLogged);

        var reply = await App.RequestAsync(HttpMethod.Post, target);

        Assert.That(reply.Status, Is.EqualTo(status));
        await AssertNothingLoggedAsync($"POST /conversations/{{id}}/messages {status}");
    }

    [Test]
    public async Task AddMessage_DatabaseFails_IsNotLogged()
    {
        var broken = new Mock<IMessageRepository>();
        broken.Setup(m => m.AddAsync(It.IsAny<string>(), It.IsAny<NewMessage>(), It.IsAny<IdempotencyKey?>(), It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>()))
            .ThrowsAsync(UnavailableException.ForDatabase(new IOException("The disk is gone.")));
        StartApp(services => services.AddSingleton(broken.Object), EverythingLogged);
        App.Log.Expect("database_unavailable");
        var id = await OpenAsync();

        var reply = await AddByQueryAsync(id, ("role", "user"), ("content", Secret));

        Assert.That(reply.Status, Is.EqualTo(500));
        await AssertNothingLoggedAsync("POST /conversations/{id}/messages 500");
    }

    /// <summary>Clients that do not escape what they put into a query send what is no HTTP.</summary>
    [Test]
    public async Task AddMessage_QueryThatIsNoHttp_IsNotLogged()
    {
        StartApp(EverythingLogged);

        var answer = await SendRawAsync($"POST /conversations/{Unknown}/messages?role=user&content=ä{Secret} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        Assert.That(answer, Does.StartWith("HTTP/1.1 400"));
        Assert.That(App.Log.Entries.Select(e => $"{e.Category}: {e.Message} {e.Exception}"), Has.None.Contains(Secret));
    }

    /// <summary>As an operator sees it who wants to see everything, whichever way the settings say so.</summary>
    [TestCase("Logging__LogLevel__Microsoft")]
    [TestCase("Logging__Serilog__LogLevel__Default")]
    public async Task AddMessage_OnAServerThatLogsEverything_IsNotLogged(string setting)
    {
        using var folder = new TempFolder();
        using var server = await AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "test-key"), (setting, "Trace"));
        using var opened = await server.Client.PostAsync("/conversations?user_id=alice", null);
        var id = (await ApiReply.ReadAsync(opened)).Json.Text("id")!;

        using var added = await server.Client.PostAsync(ToTarget(id, ("role", "user"), ("content", Secret)), null);
        server.Terminate();
        await server.WaitForExitAsync();

        Assert.Multiple(() =>
        {
            Assert.That((int)added.StatusCode, Is.EqualTo(200));
            Assert.That(server.Output, Has.Some.Contains("POST /conversations/{id}/messages 200"));
            Assert.That(server.Output, Has.Some.Contains("Executing endpoint"), "not everything was logged");
            Assert.That(server.Output, Has.None.Contains(Secret));
        });
    }

    [Test]
    public async Task AddMessage_InTheQuery_IsNotExported()
    {
        await using var collector = await OtlpCollector.StartAsync();
        string path;
        // Everything is sent when the application has stopped.
        await using (var app = AiChatApplication.Start([.. Exported, ("Telemetry:OtlpEndpoint", collector.Url)]))
        {
            var opened = await app.RequestAsync(HttpMethod.Post, "/conversations?user_id=alice");
            var target = ToTarget(opened.Json.Text("id")!, ("role", "user"), ("content", Secret));
            path = target.Split('?')[0];
            await app.RequestAsync(HttpMethod.Post, target);
        }

        Assert.Multiple(() =>
        {
            Assert.That(collector.Posts.Where(p => p.Path == "/v1/traces").Select(p => p.Text), Has.Some.Contains(path));
            Assert.That(collector.Posts.Where(p => p.Path == "/v1/metrics").Select(p => p.Text), Has.Some.Contains("conversations/{id}/messages"));
            Assert.That(collector.Posts.Select(p => p.Text), Has.None.Contains(Secret));
        });
    }

    private async Task AssertNothingLoggedAsync(string line)
    {
        await App.Log.WaitForAsync(line);
        var entries = App.Log.Entries.Select(e => $"{e.Category}: {e.Message} {e.Exception}").ToList();
        Assert.Multiple(() =>
        {
            Assert.That(entries, Has.Some.Contains("Executing endpoint"), "not everything was logged");
            Assert.That(entries, Has.None.Contains(Secret));
        });
    }

    private async Task<string> SendRawAsync(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(App.Client.BaseAddress!.Host, App.Client.BaseAddress.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
