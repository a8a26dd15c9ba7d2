using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>
/// Makes the calls of a document, in its order. Only hosts are replaced, and ids: a placeholder or an id the document made up becomes that of
/// the chat made before.
/// </summary>
public sealed partial class SeedRun(SeedDocument document, ICurl curl, Uri server)
{
    private readonly List<SeedResult> results = [];
    private string? chatId;
    private bool isDeleted;

    /// <summary>The call that makes a chat: the first that needs none.</summary>
    private SeedStep Creation => document.Steps.First(s => s.Command.Method == "POST" && !NeedsChat(s) && !NamesChat(s));

    public async Task<IReadOnlyList<SeedResult>> RunAsync()
    {
        // A list shows what it lists only when there is something.
        if (document.Steps[0] != Creation)
            await RunAsync(Creation, "first, to have a chat");
        foreach (var step in document.Steps)
        {
            if (chatId is null && NeedsChat(step))
                await RunAsync(Creation, "again, to have a chat");
            if (step.IsEventStream)
                await RunAsync(GetQuestion(step), "again, to have a question");
            await RunAsync(step, "");
        }

        foreach (var empty in results.FindAll(r => r.IsEmptyList))
            await RunAsync(empty.Step, "again, now that there is something", mayBeEmpty: false);
        return results;
    }

    /// <summary>The call that stores what a stream answers: the one with a body that came last.</summary>
    private SeedStep GetQuestion(SeedStep stream)
    {
        var last = document.Steps.TakeWhile(s => s != stream).Last(s => s.Command is { Method: "POST", Data: not null } && NeedsChat(s));
        return document.Steps.First(s => s.Line == last.Line);
    }

    private async Task RunAsync(SeedStep step, string note, bool mayBeEmpty = true)
    {
        var isUnknown = isDeleted && NamesChat(step);
        var command = step.Command.Map(WithChat).At(server);
        var answer = await curl.RunAsync(command);
        var result = new SeedResult(step, note, command, answer, isUnknown);
        result.Check(step.Echo.ToDictionary(e => e.Key, e => WithChat(e.Value)), mayBeEmpty);
        results.Add(result);

        if (step.Command.Method == "DELETE")
            (chatId, isDeleted) = (null, true);
        else if (step.Command.Method == "POST" && !NeedsChat(step) && !NamesChat(step) && Uuid().Match(answer.Body) is { Success: true } id)
            (chatId, isDeleted) = (id.Value, false);
    }

    private string WithChat(string text) => chatId is null ? text : Uuid().Replace(Placeholder().Replace(text, chatId), chatId);

    /// <summary>Whether it has a placeholder for the id of a chat.</summary>
    private static bool NeedsChat(SeedStep step) => step.Command.Arguments.Any(a => Placeholder().IsMatch(a));

    /// <summary>Whether it has an id of a chat that the document made up.</summary>
    private static bool NamesChat(SeedStep step) => step.Command.Arguments.Any(a => Uuid().IsMatch(a));

    [GeneratedRegex(@"\{[a-z_]*id\}|<[a-z_]*id>|\b[a-z-]*uuid-here\b")]
    private static partial Regex Placeholder();

    [GeneratedRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", RegexOptions.ExplicitCapture)]
    private static partial Regex Uuid();
}
