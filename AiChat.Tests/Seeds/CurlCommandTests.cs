namespace AiChat.Tests.Seeds;

[TestFixture]
public sealed class CurlCommandTests
{
    private static readonly Uri Server = new("http://127.0.0.1:4711");

    [TestCase("GET", "http://a:1/chats?user_id=b")]
    [TestCase("GET", "-X", "GET", "a:1/chats?user_id=b")]
    [TestCase("POST", "-d", "{}", "-N", "a:1/chats?user_id=b")]
    [TestCase("PUT", "-X", "PUT", "-d", "{}", "https://a/chats?user_id=b")]
    public void Parse_Arguments_GivesMethodAndTarget(string method, params string[] arguments)
    {
        var command = CurlCommand.Parse(arguments);

        Assert.Multiple(() =>
        {
            Assert.That(command.Method, Is.EqualTo(method));
            Assert.That(command.Target, Is.EqualTo("/chats?user_id=b"));
        });
    }

    [Test]
    public void Parse_DataAndHeaders_AreKeptAsTheyAre()
    {
        var command = CurlCommand.Parse(["-H", "Content-Type: application/json", "-d", "{\n}", "a", "-H", "X-Time: 10:30"]);

        Assert.Multiple(() =>
        {
            Assert.That(command.Data, Is.EqualTo("{\n}"));
            Assert.That(command.Headers, Is.EqualTo(new[] { ("Content-Type", "application/json"), ("X-Time", "10:30") }));
        });
    }

    [TestCase("http://localhost:8000/a?b=c", "http://127.0.0.1:4711/a?b=c")]
    [TestCase("localhost:8000/a", "127.0.0.1:4711/a")]
    [TestCase("localhost:8000", "127.0.0.1:4711")]
    public void At_AnotherServer_ChangesTheHostAlone(string url, string expected)
    {
        var command = CurlCommand.Parse(["-X", "GET", url]).At(Server);

        Assert.Multiple(() =>
        {
            Assert.That(command.Url, Is.EqualTo(expected));
            Assert.That(command.Arguments, Is.EqualTo(new[] { "-X", "GET", expected }));
        });
    }

    [Test]
    public void Map_EveryArgument_ChangesAddressAndData()
    {
        var command = CurlCommand.Parse(["-d", "id", "a/id"]).Map(a => a.Replace("id", "7", StringComparison.Ordinal));

        Assert.Multiple(() =>
        {
            Assert.That(command.Data, Is.EqualTo("7"));
            Assert.That(command.Url, Is.EqualTo("a/7"));
        });
    }

    [TestCase("--upload-file", "a", "b")]
    [TestCase("-X", "GET")]
    [TestCase("a", "-d")]
    [TestCase("a", "b")]
    [TestCase("a", "-H", "no header")]
    public void Parse_WhatIsNotKnown_IsRefused(params string[] arguments) =>
        Assert.That(() => CurlCommand.Parse(arguments), Throws.TypeOf<FormatException>());
}
