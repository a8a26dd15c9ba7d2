using System.Text.Json;
using AiChat.Core.Chats;
using AiChat.Core.Memory;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Memory;

public sealed class PromptHistoryTests
{
    private const int Plenty = 10_000;
    private const string MissingReply = "assistant: (No reply was produced.)";

    private const string CallsAAndB = """
        [{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}},{"id":"b","name":"clock","arguments":{}}]
        """;

    [Test]
    public void Earlier_CallsAndTheirResults_StandTogetherByTheirIds()
    {
        var history = Read(
            User("How is it in Rome?"), Assistant("Let me see.", CallsAAndB), Tool("noon", """{"tool_call_id":"b"}"""), Tool("sunny", "\"a\""), Assistant("Fine."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[]
        {
            "user: How is it in Rome?",
            """assistant: Let me see. a=weather{"city":"Rome"} b=clock{}""",
            "tool: a=sunny",
            "tool: b=noon",
            "assistant: Fine.",
        }));
    }

    [Test]
    public void Earlier_ResultsWithoutAnId_AnswerTheOldestOpenCallOfTheMessageBefore()
    {
        var history = Read(User("?"), Assistant("", CallsAAndB), Tool("one"), Tool("two"), Assistant("", """{"name":"third"}"""), Tool("three"), Assistant("."));

        Assert.That(Show(history.Earlier).Skip(1), Is.EqualTo(new[]
        {
            """assistant: a=weather{"city":"Rome"} b=clock{}""", "tool: a=one", "tool: b=two", "assistant: call_5_1=third{}", "tool: call_5_1=three", "assistant: .",
        }));
    }

    [Test]
    public void Earlier_ResultWithoutAnIdBeforeOneWithAnId_LeavesThatItsCall()
    {
        var history = Read(User("?"), Assistant("", CallsAAndB), Tool("noon"), Tool("sunny", "\"a\""), Assistant("."));

        Assert.That(Show(history.Earlier).Skip(2).Take(2), Is.EqualTo(new[] { "tool: a=sunny", "tool: b=noon" }));
    }

    [Test]
    public void Earlier_ResultThatNamesAnotherTool_DoesNotAnswerTheOpenCall()
    {
        var history = Read(User("?"), Assistant("", """{"id":"a","name":"weather"}"""), Tool("noon", """{"name":"clock"}"""), Assistant("."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", "assistant: call_3_1=clock{}", "tool: call_3_1=noon", "assistant: ." }));
    }

    [Test]
    public void Earlier_CallsWithoutAResult_AreLeftOutAndTheTextStays()
    {
        var history = Read(User("?"), Assistant("Let me see.", CallsAAndB), Tool("noon", "\"b\""), User("And?"), Assistant("So.", CallsAAndB));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[]
        {
            "user: ?", "assistant: Let me see. b=clock{}", "tool: b=noon", MissingReply, "user: And?", "assistant: So.",
        }));
    }

    [Test]
    public void Earlier_OnlyCallsWithoutAResult_AreAMissingReply()
    {
        var history = Read(User("?"), Assistant("", CallsAAndB));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", MissingReply }));
    }

    [Test]
    public void Earlier_ResultThatDescribesItsCall_GetsThatCall()
    {
        var history = Read(User("?"), Tool("sunny", """{"id":"x","name":"weather","arguments":"{\"city\":\"Rome\"}"}"""), Assistant("Fine."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", """assistant: x=weather{"city":"Rome"}""", "tool: x=sunny", "assistant: Fine." }));
    }

    [Test]
    public void Earlier_ResultOfNoKnownCall_GetsOneOfNoKnownTool()
    {
        var history = Read(User("?"), Assistant("Wait."), Tool("sunny"), Tool("noon", "\"b\""), Tool(" "), Assistant("Fine."));

        Assert.That(Show(history.Earlier).Skip(1), Is.EqualTo(new[]
        {
            "assistant: Wait. call_3_1=tool{}", "tool: call_3_1=sunny", "assistant: b=tool{}", "tool: b=noon", "assistant: Fine.",
        }));
    }

    [Test]
    public void Earlier_SecondResultOfOneCall_GetsTheSameCallAgain()
    {
        var history = Read(User("?"), Assistant("", """{"id":"a","name":"weather"}"""), Tool("sunny", "\"a\""), Tool("rainy", "\"a\""), Assistant("Fine."));

        Assert.That(Show(history.Earlier).Skip(1), Is.EqualTo(new[]
        {
            "assistant: a=weather{}", "tool: a=sunny", "assistant: call_4_1=weather{}", "tool: call_4_1=rainy", "assistant: Fine.",
        }));
    }

    [Test]
    public void Earlier_SameIdInEveryTurn_IsUsedOnce()
    {
        const string Call = """{"id":"call_1","name":"weather"}""";
        var history = Read(
            User("?"), Assistant("", Call), Tool("sunny", "\"call_1\""), Assistant("A."), User("?"), Assistant("", Call), Tool("rainy", "\"call_1\""), Assistant("B."));

        Assert.That(Show(history.Earlier).Where(m => m.StartsWith("tool", StringComparison.Ordinal)), Is.EqualTo(new[] { "tool: call_2_1=sunny", "tool: call_1=rainy" }));
    }

    [Test]
    public void Earlier_EmptyResult_IsAResult()
    {
        var history = Read(User("?"), Assistant("", """{"id":"a","name":"save"}"""), Tool("", "\"a\""), Assistant("Saved."));

        Assert.That(Show(history.Earlier).Skip(1), Is.EqualTo(new[] { "assistant: a=save{}", "tool: a=", "assistant: Saved." }));
    }

    [Test]
    public void Earlier_AssistantTwiceInARow_IsOneMessage()
    {
        var history = Read(User("?"), Assistant("One."), Assistant(" "), Assistant("Two."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", "assistant: One.\n\nTwo." }));
        Assert.That(history.StoredMessages, Is.EqualTo(3));
    }

    [Test]
    public void Earlier_SystemMessages_StandInTheirPlaceAndBeforeTheFirstQuestion()
    {
        var history = Read(System("Be kind."), Assistant("Hello!"), User("?"), System("Be brief."), Assistant("Yes."), User("!"), System("Be funny."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[]
        {
            "system: Be kind.", "user: ?", "system: Be brief.", "assistant: Yes.", "user: !", "system: Be funny.", MissingReply,
        }));
        Assert.That((history.FirstSequence, history.StoredMessages), Is.EqualTo((1, 6)));
    }

    [Test]
    public void Earlier_SystemMessageAmongResults_StandsBehindTheExchange()
    {
        var history = Read(User("?"), Assistant("", CallsAAndB), Tool("sunny", "\"a\""), System("Be brief."), Tool("noon", "\"b\""), Assistant("."));

        Assert.That(Show(history.Earlier).Skip(1), Is.EqualTo(new[]
        {
            """assistant: a=weather{"city":"Rome"} b=clock{}""", "tool: a=sunny", "tool: b=noon", "system: Be brief.", "assistant: .",
        }));
    }

    [Test]
    public void Earlier_ChatBeginsWithTheAssistant_BeginsWithTheUser()
    {
        var history = Read(Assistant("Welcome!"), User("?"), Assistant("Yes."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", "assistant: Yes." }));
        Assert.That(history.FirstSequence, Is.EqualTo(2));
    }

    [Test]
    public void Earlier_BlankMessages_SayNothing()
    {
        var history = Read(User("?"), System(" "), User("\n"), Assistant("Yes."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", "assistant: Yes." }));
    }

    [Test]
    public void Earlier_Exchange_CountsWithAllItsTokensAndGoesInWholeOrWithoutItsCalls()
    {
        HistoryMessage[] stored = [User("?"), Assistant("", CallsAAndB), Tool("sunny"), Tool("noon"), Assistant("Fine.")];
        var whole = Read(stored);

        var fits = Read(whole.Tokens + TokenEstimator.Count(CallsAAndB), later: -1, stored);
        var tooLarge = Read(whole.Tokens - 1, later: -1, stored);

        Assert.That(whole.Earlier.Sum(TokenEstimator.CountMessage), Is.EqualTo(whole.Tokens));
        Assert.That((fits.StoredMessages, tooLarge.StoredMessages), Is.EqualTo((5, 2)));
    }

    [Test]
    public void Earlier_OldestTurnDoesNotFit_LeavesItsNewestInstructions()
    {
        var history = Read(45, later: -1, User(new string('x', 300)), Assistant("Yes."), System("Be kind."), User("?"), Assistant("Yes."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "system: Be kind.", "user: ?", "assistant: Yes." }));
        Assert.That(history.FirstSequence, Is.EqualTo(3));
    }

    [Test]
    public void Add_ManyMessagesThatSayNothing_AreNotReadWithoutEnd()
    {
        var history = new PromptHistory(100_001, budget: 400, earlierTokens: 400);

        var read = Enumerable.Range(1, 100_000).Reverse().TakeWhile(i => history.Add(new HistoryMessage { Sequence = i, Role = MessageRole.Assistant, Content = "" })).Count();

        Assert.That(read, Is.LessThan(300));
    }

    [Test]
    public void Add_MessagesThatOnlyMakeCalls_CountWithTheTextOfTheirCalls()
    {
        var calls = new string(' ', 300);
        var history = new PromptHistory(sequence: 0, budget: 1000, earlierTokens: 1000);

        var read = Enumerable.Range(1, 1000).Reverse().TakeWhile(i => history.Add(Assistant("", calls) with { Sequence = i })).Count();

        // 4 for each message, 100 for its calls.
        Assert.That(read, Is.EqualTo(9));
    }

    [Test]
    [CancelAfter(30_000)]
    public void Add_VeryManyCallsAndResults_AreReadInReasonableTime(CancellationToken cancellationToken)
    {
        var calls = $"[{string.Join(',', Enumerable.Repeat("""{"name":"a","id":"a"}""", 2970))}]";
        var history = new PromptHistory(sequence: 0, budget: int.MaxValue, earlierTokens: 0);

        foreach (var i in Enumerable.Range(1, 990).Reverse())
            history.Add((i > 495 ? Tool("1", "\"b\"") : Assistant("", calls)) with { Sequence = i });
        history.Complete();

        Assert.That(history.StoredMessages, Is.EqualTo(496));
        Assert.That(cancellationToken.IsCancellationRequested, Is.False);
    }

    [Test]
    public void Later_ExchangeBehindTheQuestion_StandsBehindIt()
    {
        var history = Read(Plenty, later: 3, User("Hi!"), Assistant("Hi."), User("The question"), Assistant("", CallsAAndB), Tool("sunny"), Tool("noon"));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: Hi!", "assistant: Hi." }));
        Assert.That(Show(history.Later), Is.EqualTo(new[] { """assistant: a=weather{"city":"Rome"} b=clock{}""", "tool: a=sunny", "tool: b=noon" }));
        Assert.That(history.Tokens, Is.EqualTo(history.Earlier.Concat(history.Later).Sum(TokenEstimator.CountMessage)));
    }

    [Test]
    public void Later_EndsWithTheAssistant_EndsBeforeIt()
    {
        var history = Read(
            Plenty, later: 6, User("The question"), Assistant("Wait.", """{"name":"one"}"""), Tool("1"), Assistant("Well."), System("Be kind."), Assistant("So."), User("Me?"));

        Assert.That(Show(history.Later), Is.EqualTo(new[] { "assistant: Wait. call_2_1=one{}", "tool: call_2_1=1", "system: Be kind." }));
    }

    [Test]
    public void Later_OldestExchangeDoesNotFit_LeavesItOutWithAllOfIt()
    {
        HistoryMessage[] stored =
        [
            User("Hi!"), Assistant("Hi."), User("The question"), Assistant("", CallsAAndB), Tool("sunny"), Tool("noon"), Assistant("", """{"name":"one"}"""), Tool("1"),
        ];
        var newest = Read(Plenty, later: 2, [.. stored[..3], .. stored[6..]]).Later.Sum(TokenEstimator.CountMessage);

        var both = Read(Plenty, later: 5, stored).Later.Sum(TokenEstimator.CountMessage);

        foreach (var budget in new[] { newest, newest + 9, newest + 20, both - 1 })
        {
            var history = Read(budget, later: 5, stored);

            Assert.That(Show(history.Later), Is.EqualTo(new[] { "assistant: call_7_1=one{}", "tool: call_7_1=1" }), $"{budget} tokens");
        }

        Assert.That(Show(Read(newest - 1, later: 5, stored).Later), Is.Empty);
    }

    [Test]
    public void Later_LargerThanWhatEarlierMessagesMayHave_GoesInWhole()
    {
        var result = new string('x', 3000);

        var history = Read(2000, earlierTokens: 100, later: 2, User("Hi!"), Assistant("Hi."), User("The question"), Assistant("", """{"name":"one"}"""), Tool(result));

        Assert.That(Show(history.Later), Is.EqualTo(new[] { "assistant: call_4_1=one{}", $"tool: call_4_1={result}" }));
        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: Hi!", "assistant: Hi." }));
        Assert.That(history.DroppedLater, Is.Zero);
    }

    [Test]
    public void Later_FillsTheBudget_LeavesEarlierMessagesTheRest()
    {
        HistoryMessage[] stored = [User("Hi!"), Assistant("Hi."), User("The question"), Assistant("", """{"name":"one"}"""), Tool(new string('x', 3000))];
        var later = Read(Plenty, later: 2, stored[2..]).Tokens;

        var enough = Read(later + 10, later: 2, stored);
        var tooSmall = Read(later + 9, later: 2, stored);

        Assert.That((enough.StoredMessages, tooSmall.StoredMessages), Is.EqualTo((4, 2)));
    }

    [Test]
    public void Later_NewestExchangeDoesNotFit_HasItsLongestResultsCut()
    {
        const string ThreeCalls = """[{"id":"a","name":"one"},{"id":"b","name":"two"},{"id":"c","name":"three"}]""";
        var history = Read(
            500, later: 7, User("Hi!"), User("The question"), Assistant("", """{"name":"old"}"""), Tool("1"),
            Assistant("", ThreeCalls), Tool(new string('x', 3000), "\"a\""), Tool("short", "\"b\""), Tool(new string('y', 30_000), "\"c\""), System("Be kind."));

        var shown = Show(history.Later);
        Assert.That(shown.Select(m => m[..8]), Is.EqualTo(new[] { "assistan", "tool: a=", "tool: b=", "tool: c=", "system: " }));
        Assert.That(shown[1], Does.Match(@"=x{500,}\n.The rest of this result was left out: it is too long.\)$"));
        Assert.That(shown[2], Is.EqualTo("tool: b=short"));
        Assert.That(shown[3], Does.Match(@"=y{500,}\n.The rest of this result was left out: it is too long.\)$"));
        Assert.That(history.Tokens, Is.EqualTo(history.Later.Sum(TokenEstimator.CountMessage)).And.InRange(490, 500));
        Assert.That((history.StoredMessages, history.DroppedLater), Is.EqualTo((5, 2)));
    }

    [Test]
    public void Later_ResultsWithoutEnd_AreNotAllRead()
    {
        var history = new PromptHistory(sequence: 0, budget: 100, earlierTokens: 100);

        var read = Enumerable.Range(1, 10_000).Reverse().TakeWhile(i => history.Add(Tool("1") with { Sequence = i })).Count();
        history.Complete();

        Assert.That(read, Is.LessThan(300));
        Assert.That((history.StoredMessages, history.DroppedLater), Is.EqualTo((0, 10_000)));
    }

    [Test]
    public void Earlier_LargeResult_LeavesTheTurnAndOlderOnesIn()
    {
        var history = Read(
            500, later: -1, User("One?"), Assistant("One."), User("Two?"), Assistant("Let me see.", CallsAAndB), Tool(new string('x', 3000), "\"a\""),
            Tool("noon", "\"b\""), System("Be kind."), Assistant("Two."), User("Three?"), Assistant("", CallsAAndB), Tool("sunny", "\"a\""), Assistant("Three."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[]
        {
            "user: One?", "assistant: One.", "user: Two?", "assistant: Let me see.", "system: Be kind.", "assistant: Two.",
            "user: Three?", """assistant: a=weather{"city":"Rome"}""", "tool: a=sunny", "assistant: Three.",
        }));
        Assert.That(history.Tokens, Is.EqualTo(history.Earlier.Sum(TokenEstimator.CountMessage)));
    }

    [Test]
    public void Earlier_LargeResultWithoutAnAnswer_IsAMissingReply()
    {
        var history = Read(500, later: -1, User("One?"), Assistant("One."), User("Two?"), Assistant("", CallsAAndB), Tool(new string('x', 3000), "\"a\""));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: One?", "assistant: One.", "user: Two?", MissingReply }));
    }

    [Test]
    public void Earlier_FitsOnlyWithoutTheExchangeOnceItIsPutTogether_GoesInWithoutIt()
    {
        HistoryMessage[] stored = [User("One?"), Tool("sunny"), Assistant("One.")];
        var whole = Read(stored).Tokens;

        // The call that is made for the result is not known before.
        var history = Read(whole - 1, later: -1, stored);

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: One?", "assistant: One." }));
    }

    [Test]
    public void Earlier_QuestionDoesNotFitEvenWithoutTheExchange_EndsTheReading()
    {
        var history = Read(
            100, later: -1, User("One?"), Assistant("One."), User(new string('x', 300)), Assistant("", CallsAAndB), Tool(new string('x', 3000)), System("Be kind."), Assistant("Two."));

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "system: Be kind." }));
    }

    [TestCase(1, TestName = "Add_ResultsOfOneTurnWithoutEnd_AreNotAllRead")]
    [TestCase(20, TestName = "Add_ResultsOfManyTurnsWithoutEnd_AreNotAllRead")]
    public void Add_ResultsWithoutEnd_AreNotAllRead(int turns)
    {
        var history = new PromptHistory(sequence: 10_001, budget: 1000, earlierTokens: 1000);

        var read = Enumerable.Range(1, 10_000).Reverse()
            .TakeWhile(i => history.Add((i % (10_000 / turns) == 0 ? User("?") : Tool(new string('x', 3000))) with { Sequence = i })).Count();

        Assert.That(read, Is.InRange(250, 300));
    }

    [Test]
    public void Earlier_JoinedTexts_FitWhereOneMessageDoes()
    {
        HistoryMessage[] stored = [User("?"), Assistant("One."), Assistant("Two."), Assistant("Three.")];

        var history = Read(Read(stored).Tokens, later: -1, stored);

        Assert.That(Show(history.Earlier), Is.EqualTo(new[] { "user: ?", "assistant: One.\n\nTwo.\n\nThree." }));
    }

    private static HistoryMessage User(string content) => new() { Sequence = 0, Role = MessageRole.User, Content = content };

    private static HistoryMessage System(string content) => User(content) with { Role = MessageRole.System };

    private static HistoryMessage Assistant(string content, string? calls = null) => User(content) with { Role = MessageRole.Assistant, ToolCalls = calls };

    private static HistoryMessage Tool(string content, string? calls = null) => User(content) with { Role = MessageRole.Tool, ToolCalls = calls };

    private static PromptHistory Read(params HistoryMessage[] stored) => Read(Plenty, later: -1, stored);

    /// <summary>Reads a chat's messages, numbered from 1; so many of the last stand behind the one to answer, which is not stored for -1.</summary>
    private static PromptHistory Read(int budget, int later, params HistoryMessage[] stored) => Read(budget, earlierTokens: null, later, stored);

    private static PromptHistory Read(int budget, int? earlierTokens, int later, params HistoryMessage[] stored)
    {
        var history = new PromptHistory(stored.Length - later, budget, earlierTokens ?? budget);
        for (var i = stored.Length; i > 0; i--)
        {
            if (!history.Add(stored[i - 1] with { Sequence = i }))
                break;
        }

        history.Complete();
        return history;
    }

    private static string[] Show(IEnumerable<ChatMessage> messages) => [.. messages.Select(m => $"{m.Role}: {string.Join(' ', m.Contents.Select(Show))}")];

    private static string Show(AIContent content) => content switch
    {
        FunctionCallContent call => $"{call.CallId}={call.Name}{JsonSerializer.Serialize(call.Arguments)}",
        FunctionResultContent result => $"{result.CallId}={result.Result}",
        _ => ((TextContent)content).Text,
    };
}
