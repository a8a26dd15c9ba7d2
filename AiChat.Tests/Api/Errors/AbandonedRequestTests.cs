using AiChat.Core.Chats;
using AiChat.Core.Errors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Moq;

namespace AiChat.Tests.Api.Errors;

public sealed class AbandonedRequestTests : ApiTestBase
{
    [Test]
    public async Task List_FailsWhenItsClientHasGone_IsNoDefect()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var broken = new Mock<IChatRepository>();
        broken
            .Setup(c => c.ListAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<ChatCursor?>(), It.IsAny<CancellationToken>()))
            .Returns<string, int, ChatCursor?, CancellationToken>((_, _, _, gone) => FailBehindAsync(entered, gone));
        StartApp(services => services.AddSingleton(broken.Object));
        App.Log.Expect(UnavailableException.DatabaseUnavailable);
        using var patience = new CancellationTokenSource();
        var listing = App.Client.GetAsync("/chats", patience.Token);
        await entered.Task;

        await patience.CancelAsync();

        Assert.That(async () => await listing, Throws.InstanceOf<OperationCanceledException>());
        await App.Log.WaitForAsync("GET /chats ");
        Assert.That(App.Log.Entries.Where(e => e.Level >= LogLevel.Error), Is.Empty);
    }

    private static async Task<ChatPage> FailBehindAsync(TaskCompletionSource entered, CancellationToken gone)
    {
        entered.SetResult();
        await Task.Delay(Timeout.Infinite, gone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        throw UnavailableException.ForDatabase(new IOException("The disk is gone."));
    }
}
