namespace Dts.Common.Shell;

/// <summary>
/// Starts a program as another user: setpriv, executed in front of the program, sets the user's groups and drops our capabilities.
/// </summary>
public static class UserSwitch
{
    private const ulong Needed = (1UL << 6) | (1UL << 7); // CAP_SETGID, CAP_SETUID

    private static readonly string[] Folders = ["/usr/bin", "/bin", "/usr/local/bin"];
    private static readonly string? Setpriv = FindProgram("setpriv");

    /// <summary>Why users cannot be switched here; null = they can.</summary>
    public static string? FindMissing() =>
        Setpriv is null ? "setpriv is not installed; install util-linux"
        : (OwnCapabilities() & Needed) != Needed
            ? "it is not root and lacks CAP_SETUID and CAP_SETGID, which the unit systemd/dts-worker.service grants"
        : null;

    /// <summary>The arguments that precede the program.</summary>
    internal static IEnumerable<string> Front(UserAccount user) =>
    [
        Setpriv ?? "setpriv",
        $"--reuid={user.Name}",
        $"--regid={user.Gid}",
        "--init-groups",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--",
    ];

    private static string? FindProgram(string name) => Folders.Select(folder => $"{folder}/{name}").FirstOrDefault(File.Exists);

    private static ulong OwnCapabilities() =>
        Convert.ToUInt64(File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapEff:", StringComparison.Ordinal))[7..].Trim(), 16);
}
