using AiChat.Core.Memory;

namespace AiChat.Tests.Core.Memory;

public sealed class ToolCallIdsTests
{
    [TestCase("call_a-1", "call_a-1")]
    [TestCase("1234567890123456789012345678901234567890", "1234567890123456789012345678901234567890")]
    [TestCase("12345678901234567890123456789012345678901", "call_7_1")]
    [TestCase("call.a", "call_7_1")]
    [TestCase("é", "call_7_1")]
    [TestCase("", "call_7_1")]
    [TestCase(null, "call_7_1")]
    public void Take_Id_IsTheClientsWhereModelsTakeIt(string? id, string expected)
    {
        var taken = new ToolCallIds().Take(id, sequence: 7, number: 1);

        Assert.That(taken, Is.EqualTo(expected));
    }

    [Test]
    public void Take_SameIdAgain_IsAnother()
    {
        var ids = new ToolCallIds();

        string[] taken = [ids.Take("a", 9, 1), ids.Take("a", 7, 1), ids.Take("a", 7, 2)];

        Assert.That(taken, Is.EqualTo(new[] { "a", "call_7_1", "call_7_2" }));
    }

    [Test]
    public void Take_ClientMadeOursItself_IsStillUsedOnce()
    {
        var ids = new ToolCallIds();

        string[] taken = [ids.Take("call_7_1", 9, 1), ids.Take(null, 7, 1), ids.Take("call_7_1_2", 5, 1)];

        Assert.That(taken, Is.EqualTo(new[] { "call_7_1", "call_7_1_2", "call_5_1" }));
    }
}
