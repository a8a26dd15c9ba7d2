using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Dialects.ChatHistory;

/// <summary>
/// A message from the JSON body, from the query, or from both. The document puts it into the query; what is said in a query ends up in the
/// logs of proxies on the way, so there is a body as well. What the body does not give is taken from the query.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class QueryOrBodyAttribute : FromBodyAttribute, IBinderTypeProviderMetadata
{
    public const string Role = "role";
    public const string Content = "content";
    public const string ToolCalls = "tool_calls";

    public QueryOrBodyAttribute() => EmptyBodyBehavior = EmptyBodyBehavior.Allow;

    public Type BinderType => typeof(Binder);

    private sealed class Binder(IModelBinderFactory binders, IModelMetadataProvider types) : IModelBinder
    {
        private static readonly BindingInfo OptionalBody = new() { BindingSource = BindingSource.Body, EmptyBodyBehavior = EmptyBodyBehavior.Allow };

        public async Task BindModelAsync(ModelBindingContext context)
        {
            await CreateBodyBinder().BindModelAsync(context);
            // Neither read nor absent: what is wrong with the body has been noted.
            if (!context.Result.IsModelSet)
                return;

            var body = (HistoryMessageRequest?)context.Result.Model;
            context.Result = ModelBindingResult.Success(Complete(context, body ?? new HistoryMessageRequest(), hasBody: body is not null));
        }

        private IModelBinder CreateBodyBinder() => binders.CreateBinder(new ModelBinderFactoryContext
        {
            Metadata = types.GetMetadataForType(typeof(HistoryMessageRequest)),
            BindingInfo = OptionalBody,
            CacheToken = OptionalBody,
        });

        private static HistoryMessageRequest Complete(ModelBindingContext context, HistoryMessageRequest body, bool hasBody)
        {
            var missing = FindMissing(body);
            var query = missing.ToDictionary(name => name, name => Read(context, name));
            return body with
            {
                Role = body.Role ?? query.GetValueOrDefault(Role),
                Content = body.Content ?? query.GetValueOrDefault(Content),
                ToolCalls = body.ToolCalls ?? (query.GetValueOrDefault(ToolCalls) is { } text ? JsonSerializer.SerializeToElement(text) : null),
                QueryFields = hasBody ? missing.FindAll(name => query[name] is not null) : missing,
            };
        }

        private static List<string> FindMissing(HistoryMessageRequest body)
        {
            var missing = new List<string>();
            if (body.Role is null)
                missing.Add(Role);
            if (body.Content is null)
                missing.Add(Content);
            if (body.ToolCalls is null)
                missing.Add(ToolCalls);
            return missing;
        }

        /// <summary>Null when the query does not have it, or has several: then that is noted.</summary>
        private static string? Read(ModelBindingContext context, string name)
        {
            var given = context.HttpContext.Request.Query[name];
            if (given.Count > 1)
                context.ModelState.AddModelError(name, "must be given once");
            return given.Count == 1 ? given[0] : null;
        }
    }
}
