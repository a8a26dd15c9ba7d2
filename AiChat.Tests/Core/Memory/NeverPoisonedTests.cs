using AiChat.Core.Memory;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Core.Memory;

/// <summary>Whatever has happened in a chat, the next message can be sent.</summary>
public sealed class NeverPoisonedTests() : RepositoryTestBase(Engine.Sqlite)
{
    private const string Newest = "The newest message?";
    private const string ErrorText = "Something went wrong.";

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

            AssertTakenByEveryModel(prompt.Messages);
        }));
    }

    private static void AssertTakenByEveryModel(IReadOnlyList<ChatMessage> prompt)
    {
        Assert.Multiple(() =>
        {
            Assert.That(prompt[0].Role, Is.EqualTo(ChatRole.System));
            Assert.That(prompt.Skip(1).Where((m, i) => m.Role != (i % 2 == 0 ? ChatRole.User : ChatRole.Assistant)), Is.Empty, "roles that do not alternate");
            Assert.That((prompt[^1].Role, prompt[^1].Text), Is.EqualTo((ChatRole.User, Newest)));
            Assert.That(prompt.Where(m => string.IsNullOrWhiteSpace(m.Text)), Is.Empty, "messages without text");
            Assert.That(prompt.SelectMany(m => m.Contents), Is.All.InstanceOf<TextContent>());
            Assert.That(prompt.Where(m => m.Text.Contains(ErrorText, StringComparison.Ordinal)), Is.Empty, "errors as replies");
        });
    }

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
            Turn.Interrupted => [Database.Runs.StartAsync(run, None), Database.Runs.SettleUnfinishedAsync(At(60), None)],
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
        var context = new ContextBuilder(Database.Messages, Options.Create(new MemoryOptions { HistoryTokens = historyTokens }));
        return await context.BuildAsync(
            new PromptRequest { UserId = Anna, ChatId = chatId, Message = Newest, Sequence = sequence, SystemPrompt = "Be kind.", BudgetTokens = 100_000 },
            None);
    }
}
