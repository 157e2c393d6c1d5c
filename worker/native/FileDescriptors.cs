using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Files and pipes by their descriptors.</summary>
/// <remarks>A descriptor is a plain int with one owner, which closes it. Methods that return an int return -errno on failure.</remarks>
internal static unsafe partial class FileDescriptors
{
    private const uint MFD_CLOEXEC = 1;
    private const int O_RDONLY = 0;
    private const int O_WRONLY = 1;
    private const int O_RDWR = 2;
    private const int O_CREAT = 0x40;
    private const int O_TRUNC = 0x200;
    private const int O_NONBLOCK = 0x800;
    private const int O_CLOEXEC = 0x80000;
    private const int F_SETFL = 4;
    private const int F_DUPFD_CLOEXEC = 1030;
    private const int FIONREAD = 0x541B;
    private const int OwnerReadsAndWrites = 0x180; // 0600

    /// <summary>Makes sure that 0, 1 and 2 are open, so that no pipe of ours gets one of these numbers.</summary>
    public static void OccupyStandardStreams()
    {
        int fd;
        fixed (byte* path = "/dev/null\0"u8)
        {
            while ((fd = open(path, O_RDWR, 0)) is >= 0 and <= 2)
            {
            }
        }

        if (fd > 2)
        {
            _ = close(fd);
        }
    }

    /// <summary>Opens a pipe whose reading end does not block; an exec closes both ends (pipe(7)).</summary>
    public static int OpenPipe(out int readEnd, out int writeEnd)
    {
        var ends = stackalloc int[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
        {
            (readEnd, writeEnd) = (-1, -1);
            return -Marshal.GetLastPInvokeError();
        }

        (readEnd, writeEnd) = (ends[0], ends[1]);
        _ = fcntl(readEnd, F_SETFL, O_NONBLOCK);
        return 0;
    }

    /// <summary>How many bytes a read would get without blocking (FIONREAD).</summary>
    public static int CountReadable(int fd)
    {
        int count;
        return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
    }

    /// <summary>Reads once: the number of bytes, 0 at the end, or -errno.</summary>
    public static int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return Errno.Checked((int)read(fd, start, (nuint)buffer.Length));
        }
    }

    /// <summary>Reads a small file without allocating, at most as much as the buffer holds. The path ends with a zero byte.</summary>
    public static int ReadFile(ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        int fd;
        fixed (byte* start = path)
        {
            fd = open(start, O_RDONLY | O_CLOEXEC, 0);
        }

        if (fd < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        var total = 0;
        while (total < buffer.Length && Read(fd, buffer[total..]) is > 0 and var count)
        {
            total += count;
        }

        _ = close(fd);
        return total;
    }

    /// <summary>Writes once; returns the number of bytes, or -errno.</summary>
    public static int Write(int fd, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            return Errno.Checked((int)write(fd, start, (nuint)bytes.Length));
        }
    }

    public static void Close(int fd) => _ = close(fd);

    /// <summary>Makes a file in memory, which goes with its last descriptor (memfd_create(2)).</summary>
    public static int OpenMemory(string name) => Errno.Checked(memfd_create(name, MFD_CLOEXEC));

    /// <summary>Opens a file for reading, without waiting if it is a pipe.</summary>
    public static int OpenForReading(string path) => Errno.Checked(open(path, O_NONBLOCK | O_CLOEXEC, 0));

    /// <summary>Opens an existing file for reading and writing.</summary>
    public static int OpenForUpdate(string path) => Errno.Checked(open(path, O_RDWR | O_CLOEXEC, 0));

    /// <summary>Opens a file for writing. <paramref name="make"/> creates it (mode 0600) or empties it.</summary>
    public static int OpenForWriting(string path, bool make) =>
        Errno.Checked(open(path, O_WRONLY | O_CLOEXEC | (make ? O_CREAT | O_TRUNC : 0), OwnerReadsAndWrites));

    /// <summary>Duplicates a descriptor to a number of at least 64, above those that a program inherits.</summary>
    public static int DuplicateHigh(int fd) => Errno.Checked(fcntl(fd, F_DUPFD_CLOEXEC, 64));

    [LibraryImport("libc", SetLastError = true)] private static partial int open(byte* path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true)] private static partial int close(int fd);
    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial nint write(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial int pipe2(int* ends, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial int fcntl(int fd, int command, int argument);
    [LibraryImport("libc", SetLastError = true)] private static partial int ioctl(int fd, nuint request, int* argument);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
}
