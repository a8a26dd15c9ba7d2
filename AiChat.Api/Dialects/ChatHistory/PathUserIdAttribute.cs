using AiChat.Api.Errors;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Dialects.ChatHistory;

/// <summary>
/// The owner, from the last but one part of the path. Read from what the client sent: routing leaves an escaped slash as it is, and so
/// cannot tell the user <c>a/b</c> from the user <c>a%2Fb</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class PathUserIdAttribute : ModelBinderAttribute
{
    private const string Field = "user_id";

    public PathUserIdAttribute()
        : base(typeof(Binder))
    {
        Name = Field;
        BindingSource = BindingSource.Path;
    }

    private sealed class Binder : IModelBinder
    {
        public Task BindModelAsync(ModelBindingContext context)
        {
            var id = Read(context.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
            if (id.Length <= TextRules.LongestUserId && !string.IsNullOrWhiteSpace(id))
                context.Result = ModelBindingResult.Success(id);
            else
                context.ModelState.AddModelError(Field, $"must be one text of 1 to {TextRules.LongestUserId} characters");
            return Task.CompletedTask;
        }

        /// <summary>The part that routing saw: without dot segments (RFC 3986, section 5.2.4), which may lead past other users.</summary>
        private static string Read(string target)
        {
            var parts = new List<string>();
            foreach (var part in target.Split('?')[0].Split('/').Select(Uri.UnescapeDataString))
            {
                if (part == ".." && parts.Count > 0)
                    parts.RemoveAt(parts.Count - 1);
                else if (part is not ("." or ".."))
                    parts.Add(part);
            }

            return parts[parts.FindLastIndex(p => p.Length > 0) - 1];
        }
    }
}
