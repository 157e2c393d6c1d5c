using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>The users of this host, and the right to become one of them.</summary>
internal static unsafe partial class Users
{
    private const int PR_CAP_AMBIENT = 47;
    private const int PR_CAP_AMBIENT_RAISE = 2;
    private const int PR_CAP_AMBIENT_CLEAR_ALL = 4;
    private const int CAP_SETGID = 6;
    private const int CAP_SETUID = 7;
    private const int TextMax = 16 << 10;
    private const int EntrySize = 8; // struct passwd: name, password; uid, gid; comment, home, shell.

    /// <summary>The effective user of this process.</summary>
    public static uint OwnUid() => geteuid();

    /// <summary>A user by name, from every source that the host asks for users (getpwnam_r(3)); null = there is none.</summary>
    /// <param name="error">0, or the -errno of a source that could not answer.</param>
    public static (uint Uid, uint Gid, string Home)? Find(string name, out int error)
    {
        var entry = stackalloc byte*[EntrySize];
        var text = stackalloc byte[TextMax];
        byte** found;
        error = -getpwnam_r(name, entry, text, TextMax, &found);
        return error == 0 && found is not null
            ? (((uint*)entry)[4], ((uint*)entry)[5], Marshal.PtrToStringUTF8((nint)entry[4]) ?? "")
            : null;
    }

    /// <summary>The name of a user (getpwuid_r(3)); null = there is none of that number.</summary>
    public static string? FindName(uint uid)
    {
        var entry = stackalloc byte*[EntrySize];
        var text = stackalloc byte[TextMax];
        byte** found;
        return getpwuid_r(uid, entry, text, TextMax, &found) == 0 && found is not null ? Marshal.PtrToStringUTF8((nint)entry[0]) : null;
    }

    /// <summary>Lets the processes that this thread starts next change users, if this one may (capabilities(7), ambient set).</summary>
    public static void GrantSwitch()
    {
        _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0);
        _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0);
    }

    /// <summary>Withholds all capabilities of this process from the processes that this thread starts next.</summary>
    public static void GrantNothing() => _ = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

    [LibraryImport("libc")] private static partial uint geteuid();
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int getpwnam_r(string name, byte** entry, byte* text, nuint textMax, byte*** found);
    [LibraryImport("libc")] private static partial int getpwuid_r(uint uid, byte** entry, byte* text, nuint textMax, byte*** found);
    [LibraryImport("libc", SetLastError = true)] private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);
}
