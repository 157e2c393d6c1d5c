namespace Dts.Common.Shell;

/// <summary>Starts a command as another user: by setpriv, which is executed in front of its shell.</summary>
/// <remarks>
/// The command has the user's groups and none of our capabilities. Its directory is entered as that user, by env, for we may not be let in. Its
/// variables come by env, too: setpriv itself, which runs with our rights, must see none that whoever wrote the job has chosen (LD_PRELOAD).
/// </remarks>
public static class UserSwitch
{
    private const ulong Needed = (1UL << 6) | (1UL << 7); // CAP_SETGID, CAP_SETUID

    private static readonly string[] Folders = ["/usr/bin", "/bin", "/usr/local/bin"];
    private static readonly string? Setpriv = FindProgram("setpriv");
    private static readonly string? Env = FindProgram("env");

    /// <summary>Why users cannot be switched here; null = they can.</summary>
    public static string? FindMissing() =>
        Setpriv is null ? "setpriv is not installed; install util-linux"
        : Env is null ? "env is not installed; install coreutils"
        : (OwnCapabilities() & Needed) != Needed ? "it has neither root's rights nor CAP_SETUID and CAP_SETGID; see systemd/dts-worker-runas.conf"
        : null;

    /// <summary>What stands in front of the shell.</summary>
    internal static IEnumerable<string> Front(UserAccount user, string cwd, IEnumerable<string> variables) =>
    [
        Setpriv ?? "setpriv", $"--reuid={user.Name}", $"--regid={user.Gid}", "--init-groups", "--inh-caps=-all", "--ambient-caps=-all", "--",
        Env ?? "env", $"--chdir={cwd}", "--", .. variables,
    ];

    private static string? FindProgram(string name) => Folders.Select(folder => $"{folder}/{name}").FirstOrDefault(File.Exists);

    private static ulong OwnCapabilities() =>
        Convert.ToUInt64(File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapEff:", StringComparison.Ordinal))[7..].Trim(), 16);
}
