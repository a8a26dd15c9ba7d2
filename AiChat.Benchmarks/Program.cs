using AiChat.Benchmarks.Seed;
using AiChat.Benchmarks.Streams;
using AiChat.Infrastructure.CommandLine;
using BenchmarkDotNet.Running;

namespace AiChat.Benchmarks;

internal static class Program
{
    private const string Usage = """
        Usage:
          dotnet run -c Release --project AiChat.Benchmarks [-- micro [BenchmarkDotNet's options]]
              Measures the hot pieces one by one; --filter '*Prompt*' picks some, --list flat names them.
          dotnet run -c Release --project AiChat.Benchmarks -- seed --database URL --chats N --messages M [--user U] [--ids FILE]
              Fills a database with chats of M messages each.
          dotnet run -c Release --project AiChat.Benchmarks -- streams --url URL [--streams N] [--tokens T] [--pace MS] [--rounds R]
              Opens N streamed replies at once and says how soon and how steadily they come.
        """;

    public static Task<int> Main(string[] args) => args switch
    {
        [] => Task.FromResult(RunMicro([])),
        ["micro", .. var rest] => Task.FromResult(RunMicro(rest)),
        ["seed", .. var rest] => SeedCommand.RunAsync(rest, Console.Out, Console.Error),
        ["streams", .. var rest] => StreamsCommand.RunAsync(rest, Console.Out, Console.Error),
        ["help" or "--help" or "-h", ..] => Task.FromResult(Show(Console.Out, ExitCode.Ok)),
        _ => Task.FromResult(Show(Console.Error, ExitCode.Usage)),
    };

    /// <summary>All of them, unless the options pick some; without a filter BenchmarkDotNet would ask.</summary>
    private static int RunMicro(string[] options)
    {
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(options.Length == 0 ? ["--filter", "*"] : options, Micro.MicroConfig.Create());
        return ExitCode.Ok;
    }

    private static int Show(TextWriter output, int exitCode)
    {
        output.WriteLine(Usage);
        return exitCode;
    }
}
