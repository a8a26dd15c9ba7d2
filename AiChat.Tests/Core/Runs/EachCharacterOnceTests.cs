using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using FsCheck;
using FsCheck.Fluent;

namespace AiChat.Tests.Core.Runs;

/// <summary>
/// A client that puts a reply together from events, comes back whenever it likes, and lives through crashes and retries, has in the end
/// what is stored: no character twice, none missing, none half.
/// </summary>
public sealed class EachCharacterOnceTests() : RepositoryTestBase(Engine.Sqlite)
{
    /// <summary>More than one delta holds, and a character lies across wherever it is cut, now and then.</summary>
    private static readonly string LongPiece = string.Concat(Enumerable.Repeat("😀", 20_000));

    /// <summary>Something that happens while a reply is written.</summary>
    public abstract record Step
    {
        /// <summary>The model sends a piece, which may end anywhere.</summary>
        public sealed record Append(string Piece) : Step;

        public sealed record Publish : Step;

        /// <summary>What is not in the database yet is stored.</summary>
        public sealed record Flush : Step;

        /// <summary>What is not in the database yet is to be stored, but the database does not take it.</summary>
        public sealed record FailToFlush : Step;

        /// <summary>The client reads so many events, if there are as many.</summary>
        public sealed record Read(int Most) : Step;

        /// <summary>The client's connection breaks.</summary>
        public sealed record Disconnect : Step;

        /// <summary>The process dies, and the next one goes on with the reply.</summary>
        public sealed record Crash : Step;

        /// <summary>The provider fails, and the run is tried again.</summary>
        public sealed record FailAndRetry : Step;

        /// <summary>The process dies, the next one settles the run, and it is tried again.</summary>
        public sealed record SettleAndRetry : Step;
    }

    private static Arbitrary<Step[]> Steps { get; } = Arb.From(NewSteps(), Shrink);

    [Test]
    public void FollowAsync_AnythingHappens_ClientHasWhatIsStored() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Steps, async (Step[] steps) =>
        {
            await using var scene = await BeginSceneAsync();

            foreach (var step in steps)
                await scene.PlayAsync(step);
            await scene.FinishAsync();

            await scene.AssertClientHasWhatIsStoredAsync();
        }));

    [Test]
    public void FollowAsync_AnythingHappensAndTheProcessDies_ClientHasWhatIsStored() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Steps, async (Step[] steps) =>
        {
            await using var scene = await BeginSceneAsync();

            foreach (var step in steps)
                await scene.PlayAsync(step);
            await scene.SettleAsync();

            await scene.AssertClientHasWhatIsStoredAsync();
        }));

    private static Gen<Step[]> NewSteps()
    {
        var piece = Gen.Elements(
            "Hello", " ", "  leading", "\r", "\n", "\r\n", "é", "漢字", "😀", "👩‍👩‍👧", "\ud83d", "\ude00", "\0", "", "data: x\n\n", LongPiece);
        return Gen.Frequency(
            (10, piece.Select(p => (Step)new Step.Append(p))),
            (4, Gen.Constant<Step>(new Step.Publish())),
            (2, Gen.Constant<Step>(new Step.Flush())),
            (1, Gen.Constant<Step>(new Step.FailToFlush())),
            (6, Gen.Choose(1, 4).Select(n => (Step)new Step.Read(n))),
            (3, Gen.Constant<Step>(new Step.Disconnect())),
            (1, Gen.Constant<Step>(new Step.Crash())),
            (1, Gen.Constant<Step>(new Step.FailAndRetry())),
            (1, Gen.Constant<Step>(new Step.SettleAndRetry()))).ArrayOf();
    }

    /// <summary>One step less.</summary>
    private static IEnumerable<Step[]> Shrink(Step[] steps) => steps.Select((_, left) => steps.Where((_, i) => i != left).ToArray());

    private async Task<Scene> BeginSceneAsync()
    {
        var chatId = Guid.NewGuid().ToString();
        await CreateChatAsync(chatId);
        var run = NewRun(chatId + "-run", chatId);
        await Database.Runs.StartAsync(run, None);
        return new Scene(Database, run);
    }

    /// <summary>A run, its log, and a client.</summary>
    private sealed class Scene(TestDatabase database, NewRun run) : IAsyncDisposable
    {
        private readonly FakeTime time = new();
        private readonly Client client = new();
        private int leaseNumber = 1;
        private RunLog log = new(NewStarted(run), new FakeTime());
        private LogReader? reader;

        public ValueTask DisposeAsync() => DisconnectAsync();

        public async Task PlayAsync(Step step)
        {
            switch (step)
            {
                case Step.Append append:
                    log.Append(append.Piece);
                    break;
                case Step.Publish:
                    log.Publish();
                    break;
                case Step.Flush when log.GetUnflushed() is { Count: > 0 } texts:
                    await database.Runs.AppendAsync([new RunProgress { Run = run, LeaseNumber = leaseNumber, Texts = texts, Attempts = [] }], None);
                    log.SetFlushed(texts);
                    break;
                case Step.FailToFlush:
                    log.GetUnflushed();
                    break;
                case Step.Read read:
                    await ReadAsync(read.Most);
                    break;
                case Step.Disconnect:
                    await DisconnectAsync();
                    break;
                case Step.Crash:
                    await ContinueAsync();
                    break;
                case Step.FailAndRetry:
                    await EndAsync(RunStatus.Incomplete);
                    await RetryAsync();
                    break;
                case Step.SettleAndRetry:
                    await SettleAsync();
                    await RetryAsync();
                    break;
            }
        }

        public Task FinishAsync() => EndAsync(RunStatus.Completed);

        /// <summary>The process dies; the next one settles the run.</summary>
        public async Task SettleAsync()
        {
            await DisconnectAsync();
            await database.SettleUnfinishedAsync(time.GetUtcNow());
            leaseNumber++;
            log = Restore(await GetAsync());
        }

        public async Task AssertClientHasWhatIsStoredAsync()
        {
            var newcomer = new Client();
            await using var fromTheStart = new LogReader(Restore(await GetAsync()));
            (await fromTheStart.TakeReadyAsync()).ForEach(newcomer.Take);
            await ReadToTheEndAsync();

            var stored = (await GetAsync()).Reply;
            Assert.That((client.Text, client.HasEnded), Is.EqualTo((stored, true)));
            Assert.That((newcomer.Text, newcomer.HasEnded), Is.EqualTo((stored, true)));
        }

        private static CancellationToken None => CancellationToken.None;

        private static RunStarted NewStarted(NewRun run) => new(1)
        {
            RunId = run.Id,
            ChatId = run.ChatId,
            UserMessageId = run.UserMessageId,
            AssistantMessageId = run.AssistantMessageId,
            Provider = "groq",
            Model = "oss",
            Attempt = 1,
        };

        private async Task ReadAsync(int most)
        {
            reader ??= new LogReader(log, client.Position);
            (await reader.TakeReadyAsync(most)).ForEach(client.Take);
        }

        private async Task ReadToTheEndAsync()
        {
            reader ??= new LogReader(log, client.Position);
            while (await reader.NextAsync() is { } next)
                client.Take(next);
        }

        private async ValueTask DisconnectAsync()
        {
            if (reader is not null)
                await reader.DisposeAsync();
            reader = null;
        }

        private async Task ContinueAsync()
        {
            await DisconnectAsync();
            var interrupted = (await database.ContinueUnfinishedAsync(time.GetUtcNow())).Single(i => i.Run.Id == run.Id);
            leaseNumber++;
            log = RunLog.Restore(interrupted.Run.ToStarted("groq", "oss"), time, interrupted.Run.Reply, interrupted.Run.Marks, result: null);
        }

        private async Task EndAsync(RunStatus status)
        {
            var lastSequence = log.Close();
            var result = Reply(run, userSequence: 1, log.GetText()) with
            {
                Status = status,
                Error = status == RunStatus.Completed ? null : new RunError("provider_unavailable", "Sorry."),
                LastSequence = lastSequence,
                LeaseNumber = leaseNumber,
                HasFlushed = log.HasFlushed,
            };
            await database.Runs.FinishAsync(result, None);
            log.End(result);
        }

        private async Task RetryAsync()
        {
            await DisconnectAsync();
            var stored = await GetAsync();
            var retry = Retry(run, stored.Attempt + 1, stored.LastSequence!.Value + 1);
            await database.Runs.RetryAsync(retry, None);
            leaseNumber++;
            log = new RunLog((stored with { Attempt = retry.Attempt, FirstSequence = retry.FirstSequence }).ToStarted("groq", "oss"), time);
        }

        private RunLog Restore(StoredRun stored) =>
            RunLog.Restore(stored.ToStarted("groq", "oss"), time, stored.Reply, stored.Marks, stored.ToResult(Anna));

        private async Task<StoredRun> GetAsync() => (await database.Runs.GetAsync(Anna, run.Id, None))!;
    }

    /// <summary>Does what the documentation tells clients to do.</summary>
    private sealed class Client
    {
        public string Text { get; private set; } = "";

        public long Position { get; private set; }

        public bool HasEnded { get; private set; }

        public void Take(RunEvent runEvent)
        {
            HasEnded = false;
            switch (runEvent)
            {
                case RunStarted:
                    Text = "";
                    break;
                case MessageDelta delta:
                    Assert.That(delta.Offset, Is.EqualTo(Text.Length), "offset of a delta");
                    Assert.That(delta.Text, Is.Not.Empty);
                    Assert.That((char.IsLowSurrogate(delta.Text[0]), char.IsHighSurrogate(delta.Text[^1])), Is.EqualTo((false, false)), "half characters");
                    Text += delta.Text;
                    break;
                case RunContinued seam:
                    Assert.That(seam.Offset, Is.EqualTo(Text.Length), "offset of a seam");
                    break;
                case RunSnapshot snapshot:
                    Text = snapshot.Text;
                    break;
                case RunEnded:
                    HasEnded = true;
                    break;
            }

            Position = runEvent.Sequence;
        }
    }
}
