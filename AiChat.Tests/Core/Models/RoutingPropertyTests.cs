using System.Runtime.CompilerServices;
using AiChat.Core.Models;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Tests.Core.Models;

/// <summary>
/// Whatever three candidates do, a caller gets one reply without repeated or missing text, or one error, and the account is complete.
/// Every candidate writes the same text from where it is to go on, as fits whoever takes over.
/// </summary>
public sealed class RoutingPropertyTests : RoutingTestBase
{
    private const string Reply = "One two three one two three four.";
    private const int Retries = 2;

    /// <summary>What one call does: so many pieces of the reply, and then its end, or a failure.</summary>
    /// <param name="Pieces">How many pieces come before the end.</param>
    /// <param name="Error">How it fails; null when it writes the rest of the reply.</param>
    /// <param name="StartsOver">Whether it repeats what is there.</param>
    public sealed record Call(int Pieces, ProviderError? Error, bool StartsOver);

    private static Arbitrary<Call[][]> Scripts { get; } = Arb.From(NewCall().ArrayOf(Retries + 1).ArrayOf(3));

    [TestCase(true)]
    [TestCase(false)]
    public void Stream_AnyFailures_ShowOneReplyOrOneError(bool continueOnBreak) =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Scripts, async (Call[][] scripts) =>
        {
            SetUpRouting();
            Rules.Retries = Retries;
            var clients = scripts.Select(script => new WritingChatClient(Reply, script)).ToArray();
            ModelCandidate[] candidates = [.. clients.Select((client, i) => NewCandidate($"{i}", client))];

            var shown = await RunClockUntilAsync(ReadAsync(candidates, Routed(continueOnBreak: continueOnBreak)));

            Assert.That(shown.Text, shown.Failure is null ? Is.EqualTo(Reply) : Is.EqualTo(Reply[..shown.Text.Length]));
            Assert.That(clients.Select(c => c.Calls), Has.All.LessThanOrEqualTo(1 + Retries));
            AssertAccount(clients.Sum(c => c.Calls), shown);
        }));

    /// <summary>Nobody announces the warnings of random failures.</summary>
    private ModelCandidate NewCandidate(string provider, IChatClient client)
    {
        return new ModelCandidate
        {
            Provider = provider,
            Model = "model",
            ContextWindow = 8192,
            Client = client,
            Circuit = new CandidateCircuit(provider, "model", Rules, Time, NullLogger<CandidateCircuit>.Instance),
        };
    }

    private void AssertAccount(int calls, Shown shown)
    {
        var attempts = Attempts.All;
        Assert.That(attempts.Select(a => a.Number), Is.EqualTo(Enumerable.Range(1, calls)));
        Assert.That(attempts.Select(a => a.Outcome), Has.None.EqualTo(AttemptOutcome.InProgress));
        Assert.That(attempts.Select(a => a.CompletedAt), Has.None.Null);
        Assert.That(attempts.Count(a => a.Outcome == AttemptOutcome.Completed), Is.EqualTo(shown.Failure is null ? 1 : 0));
        Assert.That(attempts[^1].Outcome == AttemptOutcome.Completed, Is.EqualTo(shown.Failure is null));
    }

    private static Gen<Call> NewCall()
    {
        var error = Gen.Frequency(
            (1, Gen.Constant<ProviderError?>(null)),
            (4, Gen.Elements(Enum.GetValues<ProviderError>()).Select(e => (ProviderError?)e)));
        return from pieces in Gen.Choose(0, 6)
               from failure in error
               from startsOver in Gen.Elements(true, false)
               select new Call(pieces, failure, startsOver);
    }

    /// <summary>Writes the rest of a reply, in pieces of three characters, call by call as the script says.</summary>
    private sealed class WritingChatClient(string reply, Call[] script) : IChatClient
    {
        public int Calls { get; private set; }

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            var call = script[Calls++];
            await Task.Yield();
            var partial = messages.Last() is { } last && last.Role == ChatRole.Assistant ? last.Text : "";
            var pieces = (call.StartsOver ? reply : reply[partial.Length..]).Chunk(3).Select(piece => new string(piece));
            foreach (var piece in call.Error is null ? pieces : pieces.Take(call.Pieces))
                yield return new ChatResponseUpdate(ChatRole.Assistant, piece);
            if (call.Error is { } error)
                throw Failure(error);
        }

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
