using System.Text;
using AiChat.Api.Errors;
using AiChat.Core.Idempotency;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Runs;

/// <summary>
/// The client's name for its request, from the header <c>Idempotency-Key</c>, bare or as a quoted string
/// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header); null when it sends none.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class IdempotencyKeyAttribute : ModelBinderAttribute, IMalformedProblem
{
    public const string ReplayedHeader = "Idempotency-Replayed";
    public const int LongestKey = 255;

    public IdempotencyKeyAttribute()
        : base(typeof(Binder))
    {
        Name = IdempotencyKey.Header;
        BindingSource = BindingSource.Header;
    }

    public string Code => Problem.InvalidIdempotencyKey;

    public IReadOnlyList<string> Fields => [IdempotencyKey.Header];

    /// <summary>Says that the answer is that of an earlier request.</summary>
    public static void MarkReplayed(HttpResponse response) =>
        // When the response starts, not now: an error handler empties the headers, and the earlier answer may be an error.
        response.OnStarting(SetReplayed, response);

    private static Task SetReplayed(object response)
    {
        ((HttpResponse)response).Headers[ReplayedHeader] = "true";
        return Task.CompletedTask;
    }

    private sealed class Binder : IModelBinder
    {
        public Task BindModelAsync(ModelBindingContext context)
        {
            var given = context.HttpContext.Request.Headers[IdempotencyKey.Header];
            if (given.Count == 0)
                context.Result = ModelBindingResult.Success(null);
            else if (given is [{ } text] && Read(text.Trim()) is { Length: > 0 and <= LongestKey } key && key.All(c => c is >= ' ' and <= '~'))
                context.Result = ModelBindingResult.Success(key);
            else
                context.ModelState.AddModelError(IdempotencyKey.Header, $"must be one text of 1 to {LongestKey} visible ASCII characters, such as a UUID");
            return Task.CompletedTask;
        }

        /// <summary>The key without its quotes; null when they do not fit together.</summary>
        private static string? Read(string text)
        {
            if (!text.StartsWith('"'))
                return text.Contains('"') ? null : text;
            if (text.Length < 2 || !text.EndsWith('"'))
                return null;

            var key = new StringBuilder();
            for (var i = 1; i < text.Length - 1; i++)
            {
                var isEscape = text[i] == '\\';
                if (isEscape)
                    i++;
                if (i == text.Length - 1 || (isEscape ? text[i] is not ('"' or '\\') : text[i] == '"'))
                    return null;
                key.Append(text[i]);
            }

            return key.ToString();
        }
    }
}
