using System.Net.Http.Json;
using AiChat.Core.Runs;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Runs;

/// <summary>From the signal to stop on: nothing new is taken, and what was taken is still answered.</summary>
public sealed class SendDuringShutdownTests : ApiTestBase
{
    private StoppingLifetime lifetime = null!;

    [SetUp]
    public void Start()
    {
        lifetime = new StoppingLifetime();
        StartApp(services => services.AddSingleton(s => ActivatorUtilities.CreateInstance<RunExecutor>(s, lifetime)));
    }

    [TearDown]
    public void DisposeLifetime() => lifetime.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    public async Task Send_ServerShutsDown_IsRefusedAndNothingIsStored(bool stream)
    {
        App.Log.Expect("shutting_down");
        lifetime.StopApplication();

        var reply = await App.PostAsync("/chat", new { user_id = "alice", message = "Hi", stream });

        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.ContentType, reply.Code), Is.EqualTo((503, "application/problem+json", "shutting_down")));
            Assert.That(reply.GetHeader("Retry-After"), Is.EqualTo("5"));
            Assert.That(list.Json.Number("total"), Is.Zero);
        });
    }

    [Test]
    public async Task Retry_ServerShutsDown_IsRefusedAndTheRunStaysAsItIs()
    {
        App.Log.Expect("Unavailable");
        App.Log.Expect("shutting_down");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await App.PostAsync("/chat", new { user_id = "alice", message = "Hi" });
        lifetime.StopApplication();

        var reply = await App.RetryAsync(failed.Json.Text("run_id")!);

        var run = await App.GetRunAsync(failed.Json.Text("run_id")!);
        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.Code), Is.EqualTo((503, "shutting_down")));
            Assert.That(run.Json.Text("status"), Is.EqualTo("failed"));
        });
    }

    [Test]
    public async Task Send_ServerShutsDown_AnAnsweredRequestWithAKeyIsReplayed()
    {
        var first = await SendAsync();
        lifetime.StopApplication();

        var again = await SendAsync();

        Assert.Multiple(() =>
        {
            Assert.That(again.Status, Is.EqualTo(200));
            Assert.That(again.Text, Is.EqualTo(first.Text));
            Assert.That(again.GetHeader("Idempotency-Replayed"), Is.EqualTo("true"));
        });
    }

    [Test]
    public async Task Follow_ServerShutsDown_ARunningReplyIsStillShown()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await EventStream.PostAsync(App.Client, "/chat", new { user_id = "alice", message = "A story", stream = true });
        var started = await stream.NextAsync();
        lifetime.StopApplication();

        await using var follower = await App.FollowAsync(started.RunId);

        var events = await follower.ReadTextAsync("Once upon ".Length);
        Llm.Release();
        Assert.That(StreamEvent.Join(events), Is.EqualTo("Once upon "));
        Assert.That((await stream.ReadToEndAsync())[^1].Name, Is.EqualTo("run.completed"));
    }

    private Task<ApiReply> SendAsync() => App.RequestAsync(
        HttpMethod.Post, "/chat", JsonContent.Create(new { user_id = "alice", message = "Hi" }), ("Idempotency-Key", "a-key"));
}
