using System.Runtime.InteropServices;

namespace Dts.Worker.Native;

/// <summary>Messages of a Unix socket that carry file descriptors (unix(7), SCM_RIGHTS).</summary>
internal static unsafe partial class DescriptorSocket
{
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int MSG_CTRUNC = 0x08;
    private const int MSG_DONTWAIT = 0x40;
    private const int MSG_NOSIGNAL = 0x4000;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;

    private const int ControlHeadSize = 16; // struct cmsghdr: length, level, type
    private const int DescriptorsMax = 253; // SCM_MAX_FD: the kernel takes no more in a message.
    private const int ControlSize = ControlHeadSize + (((DescriptorsMax * sizeof(int)) + 7) / 8 * 8);

    /// <summary>
    /// Sends as much as the socket accepts without blocking, and the descriptors with the first byte. Returns the number of bytes, or
    /// -errno.
    /// </summary>
    public static int Send(int socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors)
    {
        // struct msghdr: name and its length, the pieces and their number, control data and its length, flags.
        var control = stackalloc byte[ControlSize];
        fixed (byte* start = bytes)
        {
            var piece = stackalloc nint[] { (nint)start, bytes.Length };
            var message = stackalloc nint[] { 0, 0, (nint)piece, 1, 0, 0, 0 };
            if (descriptors.Length > 0)
            {
                *(long*)control = ControlHeadSize + (descriptors.Length * sizeof(int));
                (((int*)control)[2], ((int*)control)[3]) = (SOL_SOCKET, SCM_RIGHTS);
                descriptors.CopyTo(new Span<int>(control + ControlHeadSize, DescriptorsMax));
                (message[4], message[5]) = ((nint)control, ControlHeadSize + ((((descriptors.Length * sizeof(int)) + 7) / 8) * 8));
            }

            return Errno.Checked((int)sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL));
        }
    }

    /// <summary>
    /// Receives once and appends the received descriptors to a queue. Returns the number of bytes, 0 at the end of the stream, or -errno.
    /// </summary>
    public static int Receive(int socket, Span<byte> buffer, Queue<int> descriptors)
    {
        var control = stackalloc byte[ControlSize];
        fixed (byte* start = buffer)
        {
            var piece = stackalloc nint[] { (nint)start, buffer.Length };
            var message = stackalloc nint[] { 0, 0, (nint)piece, 1, (nint)control, ControlSize, 0 };
            var count = Errno.Checked((int)recvmsg(socket, message, MSG_CMSG_CLOEXEC));
            if ((message[6] & MSG_CTRUNC) != 0)
            {
                return -Errno.EMFILE; // Some descriptors are lost, and it is unknown which ones.
            }

            if (count > 0 && message[5] >= ControlHeadSize && ((int*)control)[2] == SOL_SOCKET && ((int*)control)[3] == SCM_RIGHTS)
            {
                foreach (var fd in new Span<int>(control + ControlHeadSize, (int)(*(long*)control - ControlHeadSize) / sizeof(int)))
                {
                    descriptors.Enqueue(fd);
                }
            }

            return count;
        }
    }

    [LibraryImport("libc", SetLastError = true)] private static partial nint sendmsg(int socket, nint* message, int flags);
    [LibraryImport("libc", SetLastError = true)] private static partial nint recvmsg(int socket, nint* message, int flags);
}
