namespace AiChat.Tests.Seeds;

/// <summary>Which answers may go without what the document shows.</summary>
public sealed class SeedResultTests
{
    [TestCase("000", "GET /list_chats", 204, "")]
    [TestCase("000", "POST /create_chat", 200, "text/plain")]
    [TestCase("003", "DELETE /chats/delete/<id>", 204, "")]
    [TestCase("004", "POST /conversation", 200, "text/plain")]
    public void Check_NoJsonWhereTheDocumentHasSome_IsAProblem(string document, string request, int status, string contentType)
    {
        var step = SeedDocument.Load(document).Steps.First(s => s.Request == request);

        Assert.That(Check(step, status, contentType), Is.Not.Empty);
    }

    [Test]
    public void Check_PlainTextOfTheCompletionWithoutAStream_IsAProblem()
    {
        var steps = SeedDocument.Load("004").Steps;

        Assert.That(Check(steps[1], 200, "text/plain"), Is.Not.Empty);
        Assert.That(Check(steps[2], 200, "text/plain"), Is.Empty);
    }

    [Test]
    public void Check_DeletedWithoutContent_IsAllowedToTheDocumentThatDoesNotShowTheAnswer()
    {
        var step = SeedDocument.Load("002").Steps.Single(s => s.Command.Method == "DELETE");

        Assert.That(Check(step, 204, ""), Is.Empty);
    }

    private static List<string> Check(SeedStep step, int status, string contentType)
    {
        var result = new SeedResult(step, "", step.Command, new CurlAnswer(status, contentType, "x"), IsUnknown: false);
        result.Check(step.Echo, mayBeEmpty: true);
        return result.Problems;
    }
}
