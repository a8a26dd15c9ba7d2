using System.Reflection;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Runs;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Runs;

/// <summary>While the database has not yet said whether a run may be tried again, the run is found, and it may be nothing after all.</summary>
public sealed class RetryAdmissionTests : ApiTestBase
{
    private RetryGate gate = null!;
    private string chatId = "";
    private string failedRunId = "";

    [SetUp]
    public async Task FailOnce()
    {
        StartApp(services => services.AddSingleton(CreateRepository));
        App.Log.Expect("Unavailable");
        chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.Status(500));
        failedRunId = (await App.SendAsync(chatId, "First")).Json.Text("run_id")!;
    }

    [Test]
    public async Task Cancel_RetryThatIsRefused_ShowsTheRunAsItWas()
    {
        await using var running = await MakeBusyAsync();
        var retrying = RejectedRetryAsync();
        await gate.Reached;

        var cancelling = App.CancelAsync(failedRunId);
        gate.Open();

        Assert.That((await retrying).Code, Is.EqualTo("chat_busy"));
        Assert.That((await cancelling.WaitAsync(TimeSpan.FromSeconds(20))).Json.Text("status"), Is.EqualTo("failed"));
        Llm.Release();
        await running.ReadToEndAsync();
    }

    [Test]
    public async Task Follow_RetryThatIsRefused_ShowsTheRunAsItWas()
    {
        await using var running = await MakeBusyAsync();
        var retrying = RejectedRetryAsync();
        await gate.Reached;

        var following = App.GetAsync($"/runs/{failedRunId}/events?user_id=alice");
        gate.Open();

        Assert.That((await retrying).Code, Is.EqualTo("chat_busy"));
        Assert.That((await following.WaitAsync(TimeSpan.FromSeconds(20))).Text, Does.Contain("event: run.failed"));
        Llm.Release();
        await running.ReadToEndAsync();
    }

    [Test]
    public async Task Cancel_RetryThatIsAccepted_StopsIt()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var retrying = App.RetryAsync(failedRunId);
        await gate.Reached;

        var cancelling = App.CancelAsync(failedRunId);
        gate.Open();

        Assert.That((await cancelling).Json.Text("status"), Is.EqualTo("cancelled"));
        Assert.That((await retrying).Code, Is.EqualTo("run_cancelled"));
    }

    [Test]
    public async Task Retry_BesideOneThatIsRefused_IsTaken()
    {
        await using var running = await MakeBusyAsync();
        var refusing = RejectedRetryAsync();
        await gate.Reached;

        var retrying = App.RetryAsync(failedRunId);
        gate.Open();

        Assert.That((await refusing).Code, Is.EqualTo("chat_busy"));
        Llm.Release();
        Assert.That((await retrying).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task Follow_RunThatIsTriedAgainThisMoment_ShowsTheNewAttempt()
    {
        gate.Open();
        Llm.Enqueue(LlmReplies.Slow());
        var retrying = Task.CompletedTask;
        gate.BeforeNextGet = async () =>
        {
            retrying = App.RetryAsync(failedRunId);
            await Llm.WaitForRequestsAsync(2);
        };

        await using var follower = await App.FollowAsync(failedRunId);

        var started = await follower.NextAsync();
        Assert.That(started.Data.Number("attempt"), Is.EqualTo(2));
        Llm.Release();
        await retrying;
    }

    private IRunRepository CreateRepository(IServiceProvider services)
    {
        var repository = RetryGate.InFrontOf(ActivatorUtilities.CreateInstance<RunRepository>(services));
        gate = (RetryGate)(object)repository;
        return repository;
    }

    private async Task<EventStream> MakeBusyAsync()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var stream = await App.StreamAsync(chatId, "Second");
        await Llm.WaitForRequestsAsync(2);
        return stream;
    }

    private Task<ApiReply> RejectedRetryAsync() =>
        App.RequestAsync(HttpMethod.Post, $"/runs/{failedRunId}/retry?user_id=alice&on_busy=reject");
}

/// <summary>The repository, with a gate in front of its first retry.</summary>
public class RetryGate : DispatchProxy
{
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RunRepository repository = null!;

    /// <summary>What happens right before a run is read for the next time; null for nothing.</summary>
    public Func<Task>? BeforeNextGet { get; set; }

    /// <summary>Ends when a retry has arrived.</summary>
    public Task Reached => reached.Task;

    public static IRunRepository InFrontOf(RunRepository repository)
    {
        var proxy = Create<IRunRepository, RetryGate>();
        ((RetryGate)(object)proxy).repository = repository;
        return proxy;
    }

    /// <summary>Lets it go on, and every later one.</summary>
    public void Open() => open.TrySetResult();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == nameof(IRunRepository.RetryAsync))
            return RetryAsync((RunRetry)args![0]!, (CancellationToken)args[1]!);
        if (targetMethod.Name == nameof(IRunRepository.GetAsync) && BeforeNextGet is { } before)
            return GetAsync(before, (string)args![0]!, (string)args[1]!);
        return targetMethod.Invoke(repository, args);
    }

    private async Task<RunAdmission> RetryAsync(RunRetry retry, CancellationToken cancellationToken)
    {
        reached.TrySetResult();
        await open.Task.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        return await repository.RetryAsync(retry, cancellationToken);
    }

    private async Task<StoredRun?> GetAsync(Func<Task> before, string userId, string runId)
    {
        BeforeNextGet = null;
        await before();
        return await repository.GetAsync(userId, runId, CancellationToken.None);
    }
}
