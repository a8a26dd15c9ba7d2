using System.Globalization;
using AiChat.Api.Errors;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Runs;

/// <summary>
/// The position of the last event the client saw, from the header <c>Last-Event-ID</c>, else the query's <c>after</c>; 0 without either.
/// Both take the whole id of an event or the number behind its colon.
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
            // The header is the newer one: a browser that reconnects adds it to the address it was given.
            var (name, given) = request.Headers.TryGetValue(Header, out var header) && header is not [] and not [""] ? (Header, header) : (QueryName, request.Query[QueryName]);
            if (given is [] or [""])
                context.Result = ModelBindingResult.Success(0L);
            else if (given is [{ } text] && TryRead(text, request.RouteValues["id"] as string, out var sequence))
                context.Result = ModelBindingResult.Success(sequence);
            else
                context.ModelState.AddModelError(name, "must be the id of an event of this run, or the number behind its colon");
            return Task.CompletedTask;
        }

        private static bool TryRead(string text, string? runId, out long sequence)
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            sequence = 0;
            return (colon < 0 || (Guid.TryParse(text.AsSpan(0, colon), out var id) && Guid.TryParse(runId, out var run) && id == run))
                && long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out sequence);
        }
    }
}
