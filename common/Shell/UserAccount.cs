namespace Dts.Common.Shell;

/// <summary>A user of this host, as whom a command may run.</summary>
/// <param name="Home">Its home, or / where that does not exist.</param>
public sealed record UserAccount(string Name, uint Uid, uint Gid, string Home)
{
    /// <summary>The user of this process.</summary>
    public static uint Own => Native.OwnUid();

    /// <summary>Null = this host knows nobody of that number.</summary>
    public static UserAccount? Find(uint uid) => Native.FindUserName(uid) is { } name && Find(name) is { } user && user.Uid == uid ? user : null;

    /// <summary>Null = this host knows nobody of that name. Asks whatever the host asks: files, LDAP.</summary>
    public static UserAccount? Find(string name) => Native.FindUser(name) is var (uid, gid, home)
        ? new UserAccount(name, uid, gid, Directory.Exists(home) ? home : "/")
        : null;
}
