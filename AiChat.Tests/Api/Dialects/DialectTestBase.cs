using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using FluentValidation;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The application with the <see cref="ProbeController"/> in it.</summary>
public abstract class DialectTestBase : ApiTestBase
{
    [SetUp]
    public void StartWithProbe() => StartApp(AddProbe, ("Http:MaxBodyBytes", "2048"));

    private protected static void AddProbe(IServiceCollection services)
    {
        services.AddMvcCore().AddApplicationPart(typeof(ProbeController).Assembly);
        services.AddSingleton<IValidator<ProbeRequest>, ProbeValidator>();
        services.AddSingleton(new DialectExamples
        {
            Requests = new Dictionary<Type, IReadOnlyList<RequestExample>>
            {
                [typeof(ProbeRequest)] = [new("whole", "Everything", """{"chat_title":"A","first_message":{"role":"user","text":"Hi"}}""")],
            },
            Answers = [new ProbeResponse { ConversationId = Examples.ChatId, Text = "Hi" }, new ProbeList("probe", "default")],
            Problems = [new(ProbeController.OwnProblem, Problem.Invalid(new Dictionary<string, string[]> { ["first_message.text"] = ["must not be empty"] }))],
        });
    }
}
