using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Waits for many descriptors at once (epoll(7), level-triggered), and for a bell that other threads ring (eventfd(2)).</summary>
internal static unsafe partial class Epoll
{
    private const int EPOLLIN = 1;
    private const int EPOLL_CTL_ADD = 1;
    private const int EPOLL_CTL_DEL = 2;
    private const int O_NONBLOCK = 0x800;
    private const int O_CLOEXEC = 0x80000;

    private const int EventSizeMax = 16;

    // struct epoll_event is packed on x86-64 only.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : EventSizeMax;

    public static int Open() => Errno.Checked(epoll_create1(O_CLOEXEC));

    /// <summary>Watches a descriptor for reading; its events carry the key.</summary>
    public static int Watch(int epoll, int fd, ulong key)
    {
        var entry = stackalloc byte[EventSizeMax];
        *(int*)entry = EPOLLIN;
        *(ulong*)(entry + EventSize - sizeof(ulong)) = key;
        return Errno.Checked(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, entry));
    }

    public static void Unwatch(int epoll, int fd)
    {
        var entry = stackalloc byte[EventSizeMax];
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, entry);
    }

    /// <summary>Waits for events, at most the given milliseconds (-1: forever), and writes their keys.</summary>
    public static int Wait(int epoll, Span<ulong> keys, int timeoutMs)
    {
        var events = stackalloc byte[EventSizeMax * keys.Length];
        var count = Errno.Checked(epoll_wait(epoll, events, keys.Length, timeoutMs));
        for (var i = 0; i < count; i++)
        {
            keys[i] = *(ulong*)(events + ((i + 1) * EventSize) - sizeof(ulong));
        }

        return count;
    }

    /// <summary>Opens a bell, which wakes a waiting thread when it is watched.</summary>
    public static int OpenBell() => Errno.Checked(eventfd(0, O_CLOEXEC | O_NONBLOCK));

    public static void RingBell(int bell)
    {
        ulong one = 1;
        _ = write(bell, (byte*)&one, sizeof(ulong));
    }

    public static void SilenceBell(int bell)
    {
        ulong rings;
        _ = read(bell, (byte*)&rings, sizeof(ulong));
    }

    [LibraryImport("libc", SetLastError = true)] private static partial int eventfd(uint count, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial nint write(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial int epoll_create1(int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial int epoll_ctl(int epoll, int operation, int fd, byte* entry);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epoll, byte* events, int eventsMax, int timeoutMs);
}
