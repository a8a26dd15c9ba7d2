using AiChat.Tests.Api.Dialects.Drivers;

namespace AiChat.Tests.Api.Dialects;

/// <summary>One store: a chat of one API is a chat of all five.</summary>
public sealed class CrossDialectTests : ApiTestBase
{
    private const string Reply = "One, two,\n  three.\n\nFour 🦊";
    private const string Question = "#say " + Reply;

    private static readonly string[] Names = ["000", "001", "002", "003", "004"];

    private static IEnumerable<string> Deleting => ["000", "002", "003"];

    private static IEnumerable<string> Answering => ["000", "002", "003", "004"];

    [SetUp]
    public void Start() => StartOfflineApp();

    [Test]
    public async Task Chat_OfOneApiContinuedThroughAnother_ReadsTheSameThroughAll(
        [ValueSource(nameof(Names))] string creator, [ValueSource(nameof(Names))] string speaker, [ValueSource(nameof(Names))] string reader)
    {
        var chatId = await Open(creator).CreateAsync();

        await Open(speaker).SayAsync(chatId, Question, Reply);

        Turn[] expected = [.. Open(creator).FirstTurns, new("user", Question), new("assistant", Reply)];
        Assert.Multiple(async () =>
        {
            Assert.That(await Open(reader).ReadAsync(chatId), Is.EqualTo(expected.TakeLast(Open(reader).MostShown)));
            Assert.That(await Open(reader).ListAsync(), Does.Contain(chatId));
        });
    }

    [Test]
    public async Task Chat_SpokenInThroughAllApis_KeepsTheOrder(
        [ValueSource(nameof(Names))] string creator, [ValueSource(nameof(Names))] string reader)
    {
        var chatId = await Open(creator).CreateAsync();

        foreach (var name in Names)
            await Open(name).SayAsync(chatId, $"#say {name}", name);

        var expected = Names.SelectMany(name => new Turn[] { new("user", $"#say {name}"), new("assistant", name) }).ToList();
        Assert.That(await Open(reader).ReadAsync(chatId), Is.EqualTo(Open(creator).FirstTurns.Concat(expected).TakeLast(Open(reader).MostShown)));
    }

    [Test]
    public async Task Message_BehindThoseOfAnotherApi_IsAnsweredKnowingThem(
        [ValueSource(nameof(Names))] string speaker, [ValueSource(nameof(Answering))] string answering)
    {
        var chatId = await Open("002").CreateAsync();
        await Open(speaker).SayAsync(chatId, "#say Seven", "Seven");

        await Open(answering).SayAsync(chatId, "How many?", reply: null);

        var messages = await Open("002").ReadAsync(chatId);
        Assert.That(messages[3].Text, Does.Contain("I was sent 3 messages").And.Contain("\"How many?\""));
    }

    [Test]
    public async Task Message_StoredOnly_IsAnsweredThroughTheApiThatAnswersStoredOnes()
    {
        var chatId = await Open("001").CreateAsync();
        var stored = await App.PostAsync($"/conversations/{chatId}/messages", new { role = "user", content = "#say Yes" });

        var reply = await Open("003").ReadAsync(chatId);

        Assert.Multiple(async () =>
        {
            Assert.That(stored.Status, Is.EqualTo(200));
            Assert.That(reply, Is.EqualTo(new Turn[] { new("assistant", "Yes") }));
            Assert.That(await Open("001").ReadAsync(chatId), Is.EqualTo(new Turn[] { new("user", "#say Yes"), new("assistant", "Yes") }));
        });
    }

    [Test]
    public async Task Chat_DeletedThroughAnyApi_IsGoneForAll(
        [ValueSource(nameof(Names))] string creator, [ValueSource(nameof(Deleting))] string deleting, [ValueSource(nameof(Names))] string reader)
    {
        var chatId = await Open(creator).CreateAsync();

        var isDeleted = await Open(deleting).DeleteAsync(chatId);

        Assert.Multiple(async () =>
        {
            Assert.That(isDeleted, Is.True);
            Assert.That(await Open(reader).LookAsync(chatId), Is.EqualTo(404));
            Assert.That(await Open(reader).ListAsync(), Does.Not.Contain(chatId));
        });
    }

    private DialectDriver Open(string name) => name switch
    {
        "000" => new CreateChatDriver(App),
        "001" => new ChatHistoryDriver(App),
        "002" => new OwnDriver(App),
        "003" => new ChatDriver(App),
        _ => new ChatAiDriver(App),
    };
}
