using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>
/// Starts a program as another user: setpriv precedes the program, sets the user's groups and drops this process's capabilities.
/// </summary>
internal static class UserSwitch
{
    private const ulong Needed = (1UL << 6) | (1UL << 7); // CAP_SETGID, CAP_SETUID

    private static readonly string[] Folders = ["/usr/bin", "/bin", "/usr/local/bin"];
    private static readonly string? Setpriv = FindProgram("setpriv");

    /// <summary>Why users cannot be switched here; null = they can.</summary>
    public static string? FindMissing() =>
        Setpriv is null ? "setpriv is not installed; install util-linux"
        : (ProcessTable.OwnCapabilities() & Needed) != Needed
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
}

/// <summary>A user of this host that a command may run as.</summary>
/// <param name="Home">The home directory, or / if that does not exist.</param>
internal sealed record UserAccount(string Name, uint Uid, uint Gid, string Home)
{
    /// <summary>The user of this process.</summary>
    public static uint Own => Users.OwnUid();

    /// <summary>Null = this host has no user of that number.</summary>
    public static UserAccount? Find(uint uid) =>
        Users.FindName(uid) is { } name && Find(name) is { } user && user.Uid == uid ? user : null;

    /// <summary>Null = this host has no user of that name. Asks all sources that the host asks: files, LDAP.</summary>
    public static UserAccount? Find(string name) => Ask(name).User;

    /// <summary>As <see cref="Find(string)"/>, and tells whether the sources could answer.</summary>
    public static UserAnswer Ask(string name) => Users.Find(name, out var error) is var (uid, gid, home)
        ? new UserAnswer(IsAnswer: true, new UserAccount(name, uid, gid, Directory.Exists(home) ? home : "/"))
        : new UserAnswer(-error is 0 or Errno.ENOENT or Errno.ESRCH or Errno.EBADF or Errno.EPERM, null); // getpwnam(3): no such user
}
