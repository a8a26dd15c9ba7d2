using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Idempotency;

[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class IdempotencyRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task FindAsync_UnknownKey_IsNull()
    {
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task FindAsync_KeyOfARun_NamesIt()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None);

        var found = await Database.Keys.FindAsync(Key(), None);

        Assert.That(found, Is.EqualTo(new KeyedRequest("fingerprint", "run-1", At(1))));
    }

    [Test]
    public async Task FindAsync_SameKeyOfAnotherUser_IsNull()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None);

        var found = await Database.Keys.FindAsync(Key() with { UserId = Bob }, None);

        Assert.That(found, Is.Null);
    }

    [TestCase(61, true)]
    [TestCase(62, false)]
    public async Task FindAsync_OldKey_IsKnownUntilItExpires(int at, bool isKnown)
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId, at: 1) with { Key = Key() }, None);

        var found = await Database.Keys.FindAsync(Key(at: at), None);

        Assert.That(found is not null, Is.EqualTo(isKnown));
    }

    [Test]
    public async Task StartAsync_TakenKey_NamesTheFirstRunAndStoresNothing()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None);

        var admission = await Database.Runs.StartAsync(NewRun("run-2", ChatId) with { Key = Key(fingerprint: "another") }, None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.KeyTaken(new KeyedRequest("fingerprint", "run-1", At(1)))));
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.EqualTo(2));
    }

    [Test]
    public async Task StartAsync_TakenKeyOfANewChat_MakesNoChat()
    {
        await Database.Runs.StartAsync(NewRun("run-1", "chat-2") with { NewChat = NewChat("chat-2"), Key = Key() }, None);

        var admission = await Database.Runs.StartAsync(NewRun("run-2", "chat-3") with { NewChat = NewChat("chat-3"), Key = Key() }, None);

        Assert.That(admission, Is.InstanceOf<RunAdmission.KeyTaken>());
        Assert.That((await Database.Chats.ListAsync(Anna, 10, after: null, None)).Total, Is.EqualTo(2));
    }

    [Test]
    public async Task StartAsync_SameKeyManyTimesAtOnce_StoresOneRun()
    {
        var admissions = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(i => Database.Runs.StartAsync(NewRun($"run-{i}", ChatId) with { Key = Key() }, None)));

        Assert.That(admissions.Count(a => a is RunAdmission.Accepted), Is.EqualTo(1));
        Assert.That(await Database.QuerySingleAsync<int>("select count(*) from runs"), Is.EqualTo(1));
    }

    [Test]
    public async Task StartAsync_ExpiredKey_IsFreeAgain()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId, at: 1) with { Key = Key() }, None);

        var admission = await Database.Runs.StartAsync(NewRun("run-2", ChatId, at: 62) with { Key = Key(fingerprint: "another", at: 62) }, None);

        Assert.That(admission, Is.InstanceOf<RunAdmission.Accepted>());
        Assert.That(await Database.Keys.FindAsync(Key(at: 62), None), Is.EqualTo(new KeyedRequest("another", "run-2", At(62))));
    }

    [Test]
    public async Task StartAsync_BusyChat_LeavesTheKeyFree()
    {
        await BeginAsync("run-1", ChatId);
        var refused = await Database.Runs.StartAsync(NewRun("run-2", ChatId) with { Key = Key(), Admission = new RunAdmissionRule(0) }, None);

        var admission = await Database.Runs.StartAsync(NewRun("run-3", ChatId) with { Key = Key(fingerprint: "another") }, None);

        Assert.That((refused, admission), Is.EqualTo((new RunAdmission.Busy("run-1"), new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: "run-1"))));
    }

    [Test]
    public async Task StartAsync_MissingChat_LeavesTheKeyFree()
    {
        var refused = await Database.Runs.StartAsync(NewRun("run-1", "chat-2") with { Key = Key() }, None);

        Assert.That(refused, Is.EqualTo(new RunAdmission.NoSuchChat()));
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task StartAsync_TransactionFails_LeavesTheKeyFree()
    {
        await BeginAsync("run-1", ChatId);

        Assert.That(async () => await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None), Throws.Exception);

        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task FindAsync_ChatWasDeleted_IsStillKnown()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None);

        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        Assert.That((await Database.Keys.FindAsync(Key(), None))!.ResourceId, Is.EqualTo("run-1"));
    }

    [Test]
    public async Task FindAsync_AfterARestart_IsStillKnown()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId) with { Key = Key() }, None);

        Database.Restart();

        Assert.That((await Database.Keys.FindAsync(Key(), None))!.ResourceId, Is.EqualTo("run-1"));
    }

    [Test]
    public async Task DeleteExpiredAsync_Keys_RemovesThoseBeforeTheInstant()
    {
        await Database.Runs.StartAsync(NewRun("run-1", ChatId, at: 1) with { Key = Key("key-1") }, None);
        await Database.Runs.StartAsync(NewRun("run-2", ChatId, at: 2) with { Key = Key("key-2") }, None);

        var deleted = await Database.Keys.DeleteExpiredAsync(At(2), 10, None);

        Assert.That(deleted, Is.EqualTo(1));
        Assert.That(await Database.QueryAsync<string>("select key from idempotency_keys"), Is.EqualTo(new[] { "key-2" }));
    }

    [Test]
    public async Task DeleteExpiredAsync_Limit_RemovesTheOldestFirst()
    {
        for (var i = 5; i >= 1; i--)
            await Database.Runs.StartAsync(NewRun($"run-{i}", ChatId, at: i) with { Key = Key($"key-{i}") }, None);

        var deleted = await Database.Keys.DeleteExpiredAsync(At(60), 3, None);

        Assert.That(deleted, Is.EqualTo(3));
        Assert.That(await Database.QueryAsync<string>("select key from idempotency_keys order by key"), Is.EqualTo(new[] { "key-4", "key-5" }));
    }
}
