namespace AiChat.Tests.Seeds;

[TestFixture]
public sealed class ShellWordsTests
{
    [TestCase("curl -X POST localhost:8000/conversation", new[] { "curl", "-X", "POST", "localhost:8000/conversation" })]
    [TestCase("""curl "http://localhost:8000/chats?user_id=user123" """, new[] { "curl", "http://localhost:8000/chats?user_id=user123" })]
    [TestCase("curl -d '{\n  \"a\": \"b\"\n}' x", new[] { "curl", "-d", "{\n  \"a\": \"b\"\n}", "x" })]
    [TestCase("curl x \\\n  -N", new[] { "curl", "x", "-N" })]
    [TestCase("""curl a"b c"'d "e' """, new[] { "curl", "ab cd \"e" })]
    [TestCase("""curl "a \" \\ \n" a\ b ''""", new[] { "curl", "a \" \\ \\n", "a b", "" })]
    public void Split_Command_GivesItsWords(string text, string[] words) => Assert.That(ShellWords.Split(text), Is.EqualTo(words));

    [TestCase("curl x \\")]
    [TestCase("curl -d '{")]
    [TestCase("curl -d \"{")]
    public void Split_CommandThatGoesOn_GivesNull(string text) => Assert.That(ShellWords.Split(text), Is.Null);

    [TestCase("curl x | jq .")]
    [TestCase("curl x > file")]
    [TestCase("curl $HOST")]
    [TestCase("curl \"$HOST\"")]
    [TestCase("curl x; curl y")]
    public void Split_CommandOfAShell_IsRefused(string text) => Assert.That(() => ShellWords.Split(text), Throws.TypeOf<FormatException>());
}
