using System.Net.Sockets;

namespace Dts.Common.Shell;

/// <summary>Where the holders of a worker listen, and leave what nobody came for.</summary>
internal static class HolderFolder
{
    public static void Make(string folder)
    {
        Directory.CreateDirectory(folder);
        if (Native.CloseToOthers(folder) is < 0 and var error)
        {
            throw new IOException($"{folder}: {Native.Describe(-error)}");
        }
    }

    /// <summary>Sockets have names of up to 107 bytes, folders any: so a socket is reached through its folder's descriptor (unix(7), proc(5)).</summary>
    public static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Through(path, endPoint => socket.Bind(endPoint));
        socket.Listen();
        return socket;
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
    }

    private static void Through(string path, Action<UnixDomainSocketEndPoint> use)
    {
        var folder = Native.OpenFolder(Path.GetDirectoryName(path)!);
        if (folder < 0)
        {
            throw new IOException($"{Path.GetDirectoryName(path)}: {Native.Describe(-folder)}");
        }

        try
        {
            use(new UnixDomainSocketEndPoint($"/proc/self/fd/{folder}/{Path.GetFileName(path)}"));
        }
        finally
        {
            Native.Close(folder);
        }
    }
}
