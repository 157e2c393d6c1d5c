using System.Net.Sockets;
using System.Text;
using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>The folder in which the holders of a worker have their sockets and leave endings.</summary>
internal static class HolderFolder
{
    public static void Make(string folder)
    {
        Directory.CreateDirectory(folder);
        if (Folders.CloseToOthers(folder) is < 0 and var error)
        {
            throw new IOException($"{folder}: {Libc.Describe(-error)}");
        }
    }

    /// <summary>
    /// Listens on a socket. Its path may be long, but an address holds 107 bytes, so the path leads through the folder's descriptor
    /// (unix(7), proc(5)).
    /// </summary>
    /// <exception cref="IOException">The folder cannot be opened.</exception>
    /// <exception cref="SocketException">The socket cannot be made there.</exception>
    public static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            Through(path, endPoint => socket.Bind(endPoint));
            socket.Listen();
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Null when nobody listens there.</summary>
    public static Socket? TryConnect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            Through(path, endPoint => socket.Connect(endPoint));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The user of the process that connected or listens at the other end (unix(7), SO_PEERCRED).</summary>
    public static uint PeerOf(Socket socket)
    {
        const int solSocket = 1, soPeerCred = 17;
        Span<byte> credentials = stackalloc byte[12]; // struct ucred: pid, uid, gid
        return socket.GetRawSocketOption(solSocket, soPeerCred, credentials) == credentials.Length
            ? BitConverter.ToUInt32(credentials[4..])
            : uint.MaxValue;
    }

    /// <summary>
    /// The processes that hold commands behind a socket, or pretend to: all users can read the path in the command line of a holder.
    /// </summary>
    public static List<ProcessEntry> FindHolders(string path)
    {
        var arguments = Encoding.UTF8.GetBytes($"hold\0{path}\0");
        return [.. ProcessTable.List().Where(process => process.IsAlive && ProcessTable.HasLastArguments(process.Pid, arguments))];
    }

    private static void Through(string path, Action<UnixDomainSocketEndPoint> use)
    {
        var folder = Folders.Open(Path.GetDirectoryName(path)!);
        if (folder < 0)
        {
            throw new IOException($"{Path.GetDirectoryName(path)}: {Libc.Describe(-folder)}");
        }

        try
        {
            use(new UnixDomainSocketEndPoint($"/proc/self/fd/{folder}/{Path.GetFileName(path)}"));
        }
        finally
        {
            FileDescriptors.Close(folder);
        }
    }
}
