namespace AiChat.Infrastructure.CommandLine;

/// <summary>What the process tells whoever started it.</summary>
public static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The work could not be done.</summary>
    public const int Failed = 1;

    /// <summary>The command line was not understood.</summary>
    public const int Usage = 2;
}
