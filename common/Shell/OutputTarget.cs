namespace Dts.Common.Shell;

/// <summary>Where a command's whole output goes.</summary>
/// <param name="Run">Whose it is; the file's first line.</param>
/// <param name="LimitBytes">How much of it.</param>
public sealed record OutputTarget(string Path, string Run, long LimitBytes)
{
    /// <summary>An output of up to this, in bytes, needs no file.</summary>
    public const int KeptInMemory = 64 << 10;
}
