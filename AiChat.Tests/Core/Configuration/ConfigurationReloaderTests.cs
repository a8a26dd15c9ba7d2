using AiChat.Core.Configuration;
using AiChat.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Moq;

namespace AiChat.Tests.Core.Configuration;

public sealed class ConfigurationReloaderTests
{
    private IConfigurationRoot configuration = null!;
    private LoggerFactory loggers = null!;
    private CapturedLog log = null!;
    private ConfigurationReloader reloader = null!;
    private Part first = null!;
    private Part second = null!;

    [SetUp]
    public async Task SetUp()
    {
        configuration = new ConfigurationBuilder().AddInMemoryCollection().Build();
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        (first, second) = (new Part(), new Part());
        reloader = new ConfigurationReloader(configuration, [first.Object, second.Object], TimeProvider.System, loggers.CreateLogger<ConfigurationReloader>());
        await reloader.StartAsync(CancellationToken.None);
    }

    [TearDown]
    public async Task TearDown()
    {
        await reloader.StopAsync(CancellationToken.None);
        reloader.Dispose();
        loggers.Dispose();
        log.Dispose();
        log.AssertNothingUnexpected();
    }

    [Test]
    public async Task Reload_EveryPartIsRight_AllChange()
    {
        configuration.Reload();
        await log.WaitForAsync("is used from now on");

        Assert.That((first.Changes, second.Changes), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task Reload_OnePartIsWrong_NoneChangesAndEveryProblemIsNamed()
    {
        log.Expect("wrong settings: 2. Mend this. Mend that.");
        first.Problem = "Mend this.";
        second.Problem = "Mend that.";

        configuration.Reload();
        await log.WaitForAsync("the former one stays");

        Assert.That((first.Changes, second.Changes), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task Reload_Defect_IsSaidAndTheNextChangeIsFollowed()
    {
        log.Expect("because of a defect");
        first.Defect = new InvalidOperationException("secret");
        configuration.Reload();
        await log.WaitForAsync("because of a defect");
        first.Defect = null;

        configuration.Reload();
        await log.WaitForAsync("is used from now on");

        Assert.That((first.Changes, second.Changes), Is.EqualTo((1, 1)));
    }

    /// <summary>A part of the server that does as it is told.</summary>
    private sealed class Part
    {
        private readonly Mock<IReloadable> mock = new();

        public Part() => mock.Setup(p => p.Prepare(It.IsAny<ICollection<string>>())).Returns(Prepare);

        public IReloadable Object => mock.Object;

        public string? Problem { get; set; }

        public Exception? Defect { get; set; }

        public int Changes { get; private set; }

        private Action Prepare(ICollection<string> problems)
        {
            if (Defect is not null)
                throw Defect;
            if (Problem is not null)
                problems.Add(Problem);
            return () => Changes++;
        }
    }
}
