using AiChat.Api.Errors;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace AiChat.Api.Chats;

/// <summary>The owner, from the query's <c>user_id</c>.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class UserIdAttribute : ModelBinderAttribute
{
    /// <summary>The owner where nobody is named.</summary>
    public const string Default = "default";

    public UserIdAttribute()
        : base(typeof(Binder))
    {
        Name = "user_id";
        BindingSource = BindingSource.Query;
    }

    private sealed class Binder : IModelBinder
    {
        public Task BindModelAsync(ModelBindingContext context)
        {
            var given = context.HttpContext.Request.Query["user_id"];
            if (given.Count == 0)
                context.Result = ModelBindingResult.Success(Default);
            else if (given is [{ Length: <= TextRules.LongestUserId } id] && !string.IsNullOrWhiteSpace(id) && !id.Contains('\0'))
                context.Result = ModelBindingResult.Success(id);
            else
                context.ModelState.AddModelError("user_id", $"must be one text of 1 to {TextRules.LongestUserId} characters; leave it out for the default user");
            return Task.CompletedTask;
        }
    }
}
