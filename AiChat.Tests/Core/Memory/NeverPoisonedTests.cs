using AiChat.Core.Memory;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Core.Memory;

/// <summary>Whatever has happened in a chat, the next message can be sent.</summary>
public sealed class NeverPoisonedTests() : RepositoryTestBase(Engine.Sqlite)
{
    private const string Newest = "The newest message?";
    private const string ErrorText = "Something went wrong.";
    private const string SystemPrompt = "Be kind.";

    private static readonly int FixedTokens = TokenEstimator.CountMessage(Newest) + TokenEstimator.CountMessage(SystemPrompt);

    /// <summary>What may have become of a message.</summary>
    public enum Turn
    {
        Completed,
        Failed,
        FailedAndTriedAgain,
        Cancelled,
        CancelledAtOnce,
        CutOff,
        CutOffAtOnce,

        /// <summary>All that came before the end was a line break.</summary>
        CutOffBehindABlank,

        /// <summary>The process died.</summary>
        Interrupted,

        /// <summary>The model called a tool and answered with what it got.</summary>
        AnsweredWithATool,

        /// <summary>The model called a tool, and no answer came of it.</summary>
        ToolAndNothingElse,
    }

    [Test]
    public void BuildAsync_AnyHistory_GivesAPromptThatEveryModelTakes()
    {
        var budgets = Gen.Choose(0, 400);
        var turns = ArbMap.Default.ArbFor<Turn[]>();
        var histories = Arb.From(turns.Generator.Zip(budgets), history => turns.Shrinker(history.Item1).Select(fewer => (fewer, history.Item2)));

        Check.One(Config.QuickThrowOnFailure.WithEndSize(30), Prop.ForAll(histories, async ((Turn[] Turns, int Budget) history) =>
        {
            var chatId = Guid.NewGuid().ToString();
            await LiveThroughAsync(chatId, history.Turns);

            var prompt = await BuildAsync(chatId, history.Budget);

            PromptRules.AssertTakenByEveryModel(prompt.Messages, Newest);
            PromptRules.AssertNothingContains(prompt.Messages, ErrorText);
        }));
    }

    /// <summary>Clients store what they like, between what runs write.</summary>
    [Test]
    public void BuildAsync_AnyStoredMessages_GivesAPromptThatEveryModelTakes()
    {
        var messages = Gen.ArrayOf(StoredMessages());
        var histories = messages.SelectMany(m => Gen.Choose(0, 3).Zip(Gen.Choose(0, 600)).Select(more => (Stored: m, More: more.Item1, Budget: more.Item2)));
        var shrunk = Arb.From(histories, h => ArbMap.Default.ArbFor<bool[]>().Shrinker(new bool[h.Stored.Length])
            .Select(fewer => h with { Stored = h.Stored[..fewer.Length] }));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300).WithEndSize(30), Prop.ForAll(shrunk, async history =>
        {
            var chatId = Guid.NewGuid().ToString();
            await CreateChatAsync(chatId);
            await Task.WhenAll(history.Stored.Select((message, i) => StoreAsync(chatId, i + 1, message)));
            var sequence = Math.Max(1, history.Stored.Length - history.More);

            var prompt = await BuildAsync(chatId, history.Budget, sequence, replySequence: history.Stored.Length + 1);

            PromptRules.AssertTakenByEveryModel(prompt.Messages, Newest);
            Assert.That(prompt.Messages.Sum(TokenEstimator.CountMessage), Is.EqualTo(prompt.Receipt.PromptTokens));
            Assert.That(prompt.Receipt.PromptTokens, Is.LessThanOrEqualTo(history.Budget + FixedTokens));
        }));
    }

    private static Gen<Stored> StoredMessages()
    {
        var roles = Gen.Elements("user", "user", "assistant", "assistant", "assistant", "tool", "tool", "system");
        var contents = Gen.Elements("", " \n", "Yes.", "What is the weather?", "{\"sun\":true}", "漢字 😀");
        var calls = Gen.Elements<string?>(
            null, "null", "7", "{", "[]", "{}", "\"a\"", "\"call_3_1\"", """[{"id":"a","name":"one"}]""", """[{"id":"a","name":"one"},{"id":"b","name":"two"}]""",
            """[{"id":"a","name":"one"},{"id":"a","name":"one"}]""", """{"tool_calls":[{"id":"b","type":"function","function":{"name":"t w o","arguments":"{}"}}]}""",
            """{"tool_call_id":"a"}""", """{"id":"b"}""", """{"name":"one","arguments":"not JSON"}""", """{"tool":"tool","args":{"x":["\ud800"]}}""",
            """[{"id":"not an id","name":"three","input":{"x":[1,{"y":null}]}}]""", """{"id":"call_2_1","name":"one"}""", """["not an id"]""");
        var statuses = Gen.Elements("completed", "completed", "completed", "completed", "cancelled", "incomplete", "failed", "in_progress");
        return roles.SelectMany(role => contents.SelectMany(content => calls.SelectMany(call => statuses.Select(status => new Stored(role, content, call, status)))));
    }

    private const string StoreSql = """
        insert into messages (chat_id, sequence, id, role, content, tool_calls, status, created_at, updated_at)
        values (@ChatId, @Sequence, @ChatId || @Sequence, @Role, @Content, @ToolCalls, @Status, 1, 1)
        """;

    private Task StoreAsync(string chatId, int sequence, Stored message) => Database.ExecuteAsync(
        StoreSql, new { ChatId = chatId, Sequence = sequence, message.Role, message.Content, message.ToolCalls, message.Status });

    private const string ToolTurnSql = """
        insert into messages (chat_id, sequence, id, role, content, tool_calls, status, model, created_at, updated_at)
        values
          (@ChatId, @Sequence, @ChatId || @Sequence, 'user', 'What is the weather?', null, 'completed', null, 1, 1),
          (@ChatId, @Sequence + 1, @ChatId || (@Sequence + 1), 'assistant', '', '[{"id":"call-1","name":"weather"}]', 'completed', 'oss', 1, 1),
          (@ChatId, @Sequence + 2, @ChatId || (@Sequence + 2), 'tool', '{"sun":true}', null, 'completed', null, 1, 1),
          (@ChatId, @Sequence + 3, @ChatId || (@Sequence + 3), 'assistant', @Answer, null, @Status, 'oss', 1, 1);
        update chats set message_count = message_count + 4 where id = @ChatId;
        """;

    private async Task LiveThroughAsync(string chatId, Turn[] turns)
    {
        // Not awaited one by one: the database keeps their order, and commits many at once.
        var effects = new List<Task> { CreateChatAsync(chatId) };
        var sequence = 1;
        foreach (var turn in turns)
        {
            effects.AddRange(LiveThrough(chatId, turn, sequence));
            sequence += turn is Turn.AnsweredWithATool or Turn.ToolAndNothingElse ? 4 : 2;
        }

        await Task.WhenAll(effects);
    }

    private Task[] LiveThrough(string chatId, Turn turn, int sequence)
    {
        var run = NewRun($"{chatId}-{sequence}", chatId);
        var reply = Reply(run, sequence, $"Reply {sequence}.");
        var failure = reply with { Reply = "", Error = new RunError("provider_unavailable", ErrorText) };
        return turn switch
        {
            Turn.Completed => Send(reply),
            Turn.Failed => Send(failure with { Status = RunStatus.Failed }),
            Turn.FailedAndTriedAgain =>
            [
                .. Send(failure with { Status = RunStatus.Failed }), Database.Runs.RetryAsync(Retry(run), None), Database.Runs.FinishAsync(reply, None),
            ],
            Turn.Cancelled => Send(failure with { Status = RunStatus.Cancelled, Reply = "Repl" }),
            Turn.CancelledAtOnce => Send(failure with { Status = RunStatus.Cancelled }),
            Turn.CutOff => Send(failure with { Status = RunStatus.Incomplete, Reply = "Repl" }),
            Turn.CutOffAtOnce => Send(failure with { Status = RunStatus.Incomplete }),
            Turn.CutOffBehindABlank => Send(failure with { Status = RunStatus.Incomplete, Reply = "\n " }),
            Turn.Interrupted => [Database.Runs.StartAsync(run, None), Database.SettleUnfinishedAsync(At(60))],
            Turn.AnsweredWithATool => UseTool("The sun shines.", "completed"),
            _ => UseTool("", "failed"),
        };

        Task[] Send(RunResult end) => [Database.Runs.StartAsync(run, None), Database.Runs.FinishAsync(end, None)];

        Task[] UseTool(string answer, string status) =>
            [Database.ExecuteAsync(ToolTurnSql, new { ChatId = chatId, Sequence = sequence, Answer = answer, Status = status })];
    }

    private async Task<Prompt> BuildAsync(string chatId, int historyTokens)
    {
        var sequence = (await Database.Chats.GetAsync(Anna, chatId, None))!.MessageCount + 1;
        return await BuildAsync(chatId, historyTokens, sequence, sequence + 1);
    }

    private Task<Prompt> BuildAsync(string chatId, int historyTokens, int sequence, int replySequence)
    {
        var context = new ContextBuilder(Database.Messages, Options.Create(new MemoryOptions { HistoryTokens = historyTokens }));
        return context.BuildAsync(
            new PromptRequest
            {
                UserId = Anna,
                ChatId = chatId,
                Message = Newest,
                Sequence = sequence,
                ReplySequence = replySequence,
                SystemPrompt = SystemPrompt,
                BudgetTokens = historyTokens + FixedTokens,
            },
            None);
    }

    /// <summary>A message as clients may store it.</summary>
    private sealed record Stored(string Role, string Content, string? ToolCalls, string Status);
}
