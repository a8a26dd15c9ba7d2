using AiChat.Api.Dialects;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api;

/// <summary>The full table of routes: a new, changed or doubled one shows up here, and so in review.</summary>
public sealed class RoutesTests : ApiTestBase
{
    private static readonly string[] Table =
    [
        "DELETE /chats/delete/{id} → ChatApi.Delete (deleteAndGetChat)",
        "DELETE /chats/{id} → Chats.Delete (deleteChat)",
        "DELETE /delete_chat/{id} → CreateChat.Delete (deleteChatAndSaySo)",
        "GET / → Health.Root (getRoot)",
        "GET /chats → Chats.List (listChats)",
        "GET /chats/ → ChatApi.List (listChatsAsArray)",
        "GET /chats/{id} → Chats.Get (getChat)",
        "GET /chats/{id}/messages → Chats.Messages (listMessages)",
        "GET /conversation → ChatAi.List (listConversationsWithMessages)",
        "GET /conversations/inference/{id} → ChatApi.Inference (inferConversation)",
        "GET /conversations/inference_internet/{id} → ChatApi.InferenceInternet (inferConversationWithInternet)",
        "GET /conversations/{id}/messages → ChatHistory.Messages (listConversationMessages)",
        "GET /get_chat/{id} → CreateChat.Get (getTextsOfChat)",
        "GET /health → Health.Health (getHealth)",
        "GET /health/live → Health.Live (getLiveness)",
        "GET /health/ready → Health.Ready (getReadiness)",
        "GET /list_chats → CreateChat.List (listChatIds)",
        "GET /models → Models.List (listModels)",
        "GET /runs/{id} → Runs.Get (getRun)",
        "GET /runs/{id}/events → Runs.Events (followRun)",
        "GET /usage → Usage.Get (getUsage)",
        "GET /users/{user_id}/conversations → ChatHistory.Conversations (listUserConversations)",
        "PATCH /chats/{id} → Chats.Update (updateChat)",
        "POST /add_message_to_chat/{id} → CreateChat.AddMessage (addMessageToChat)",
        "POST /chat → Send.Send (sendMessage)",
        "POST /chats → Chats.Create (createChat)",
        "POST /chats/create → ChatApi.Create (createNamedChat)",
        "POST /conversation → ChatAi.Create (startConversation)",
        "POST /conversation/completion/{id} → ChatAi.Complete (completeConversation)",
        "POST /conversations → ChatHistory.GetOrCreate (getOrCreateConversation)",
        "POST /conversations/create → ChatApi.CreateConversation (createConversation)",
        "POST /conversations/{id}/messages → ChatHistory.AddMessage (addConversationMessage)",
        "POST /create_chat → CreateChat.Create (createChatWithMessage)",
        "POST /runs/{id}/cancel → Runs.Cancel (cancelRun)",
        "POST /runs/{id}/retry → Send.Retry (retryRun)",
        "PUT /chats/update/{id} → ChatApi.Update (renameChat)",
    ];

    [Test]
    public async Task Routes_OfTheApplication_AreTheTable()
    {
        StartOfflineApp();

        var endpoints = App.Services.GetRequiredService<EndpointDataSource>().Endpoints;

        var actions = endpoints.Cast<RouteEndpoint>().Where(e => e.Metadata.GetMetadata<ControllerActionDescriptor>() is not null);
        Assert.That(actions.SelectMany(Describe).Order(StringComparer.Ordinal), Is.EqualTo(Table));
    }

    [TestCase("/docs/index.html", "text/html")]
    [TestCase("/swagger/index.html", "text/html")]
    [TestCase("/redoc/index.html", "text/html")]
    [TestCase("/swagger/v1/swagger.json", "application/json")]
    public async Task Get_DocumentationPage_IsThere(string path, string contentType)
    {
        StartOfflineApp();

        var reply = await App.GetAsync(path);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.ContentType, Is.EqualTo(contentType));
        });
    }

    private static IEnumerable<string> Describe(RouteEndpoint endpoint)
    {
        var methods = endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["ANY"];
        var slash = endpoint.Metadata.GetMetadata<TrailingSlashAttribute>() is null ? "" : "/";
        var path = "/" + endpoint.RoutePattern.RawText!.TrimStart('/') + slash;
        var action = endpoint.Metadata.GetMetadata<ControllerActionDescriptor>();
        var name = endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName;
        return methods.Select(method => $"{method} {path} → {action?.ControllerName}.{action?.ActionName} ({name})");
    }
}
