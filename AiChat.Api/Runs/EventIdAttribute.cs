using AiChat.Api.Errors;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Runs;

/// <summary>
/// The last event the client saw, from the header <c>Last-Event-ID</c>, else the query's <c>after</c>; position 0 without either. Both take
/// the whole id of an event or the number behind its colon. Bound to a number, it is an event of the run the path names.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class EventIdAttribute : ModelBinderAttribute, IMalformedProblem
{
    public const string Header = "Last-Event-ID";
    public const string QueryName = "after";

    public EventIdAttribute()
        : base(typeof(Binder))
    {
        Name = QueryName;
        BindingSource = BindingSource.Query;
    }

    public string Code => Problem.InvalidEventId;

    public IReadOnlyList<string> Fields => [Header, QueryName];

    private sealed class Binder : IModelBinder
    {
        public Task BindModelAsync(ModelBindingContext context)
        {
            var request = context.HttpContext.Request;
            var isOfAnyRun = context.ModelType == typeof(SeenEvent);
            // The header is the newer one: a browser that reconnects adds it to the address it was given.
            var (name, given) = request.Headers.TryGetValue(Header, out var header) && header is not [] and not [""] ? (Header, header) : (QueryName, request.Query[QueryName]);
            var id = default(SeenEvent);
            if (given is [] or [""]
                || (given is [{ } text] && SeenEvent.TryParse(text, null, out id) && (isOfAnyRun || IsOf(id, request.RouteValues["id"] as string))))
                context.Result = ModelBindingResult.Success(isOfAnyRun ? id : id.Sequence);
            else
                context.ModelState.AddModelError(name, $"must be the id of an event{(isOfAnyRun ? "" : " of this run")}, or the number behind its colon");
            return Task.CompletedTask;
        }

        private static bool IsOf(SeenEvent id, string? runId) => id.RunId is null || (Guid.TryParse(runId, out var run) && run.ToString() == id.RunId);
    }
}
