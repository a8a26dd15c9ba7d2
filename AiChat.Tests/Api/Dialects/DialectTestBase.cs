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
    }
}
