namespace AiChat.Tests.Deploy;

public sealed class DockerfileTests
{
    private static string Ignore => File.ReadAllText(Path.Combine(DeployFolder.Repository, ".dockerignore"));

    [Test]
    public void Dockerfile_AsItIs_HasNoProblems() =>
        Assert.That(new DockerfileCheck(File.ReadAllText(DeployFolder.Dockerfile), Ignore).FindProblems(), Is.Empty);

    [TestCase("USER $APP_UID", "USER root", "it runs as root")]
    [TestCase("USER $APP_UID\n", "", "it runs as root")]
    [TestCase("\"health\"]", "\"helth\"]", "nobody asks whether it lives")]
    [TestCase("HEALTHCHECK", "ONBUILD", "nobody asks whether it lives")]
    [TestCase("ENTRYPOINT [\"dotnet\", \"/app/AiChat.Api.dll\"]", "ENTRYPOINT dotnet /app/AiChat.Api.dll", "signals do not reach the program")]
    [TestCase("SIGTERM", "SIGKILL", "it is not asked to stop")]
    [TestCase("VOLUME /data", "VOLUME /var", "the database is on no volume")]
    [TestCase("EXPOSE 8000", "EXPOSE 8080", "it listens elsewhere")]
    [TestCase("+:8000", "+:8080", "it listens elsewhere")]
    [TestCase("version=\"", "version=\"9", "its label names another version")]
    [TestCase("Database__Url", "Database__Adress", "Database__Adress is no setting")]
    [TestCase("COPY --from=build /app", "COPY AiChat.Api", "the image is made of files that were not built")]
    [TestCase("--from=build", "--from=builder", "there is no stage builder")]
    [TestCase("AiChat.Core.csproj", "AiChat.Kore.csproj", "there is no AiChat.Core/AiChat.Kore.csproj")]
    [TestCase("COPY .editorconfig", "COPY LICENSE", "LICENSE is ignored")]
    public void Check_DockerfileWithAMistake_FindsIt(string text, string mistake, string problem)
    {
        var dockerfile = File.ReadAllText(DeployFolder.Dockerfile).Replace(text, mistake, StringComparison.Ordinal);

        Assert.That(new DockerfileCheck(dockerfile, Ignore).FindProblems(), Has.Member(problem));
    }
}
