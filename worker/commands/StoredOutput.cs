using System.Text;
using Dts.Worker.Commands.Holders;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands;

/// <summary>Reads the file of an <see cref="OutputFile"/>, while it is being written and later.</summary>
internal sealed class StoredOutput : IDisposable
{
    public const int PieceMax = 64 << 10;

    private const int HeadMax = 1024; // A name has up to 200 bytes, a run id less than 200.

    private readonly SafeFileHandle _file;
    private readonly int _headLength;

    private StoredOutput(SafeFileHandle file, string run, int headLength) => (_file, Run, _headLength) = (file, run, headLength);

    /// <summary>The record's id, <c>job/runId</c>.</summary>
    public string Run { get; }

    /// <summary>The number of bytes so far.</summary>
    public long Length => RandomAccess.GetLength(_file) - _headLength;

    /// <summary>Null = there is no file, or its first line is not written yet.</summary>
    /// <exception cref="IOException">The disk cannot be read.</exception>
    public static StoredOutput? TryOpen(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var file = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
        Span<byte> head = stackalloc byte[HeadMax];
        var size = head[..RandomAccess.Read(file, head, 0)].IndexOf((byte)'\n');
        if (size <= 0)
        {
            file.Dispose();
            return null;
        }

        return new StoredOutput(file, Encoding.UTF8.GetString(head[..size]), size + 1);
    }

    /// <summary>Reads from an offset on, up to a piece.</summary>
    /// <param name="piece">The array to fill and return if the file has a whole piece.</param>
    /// <exception cref="IOException">The disk cannot be read.</exception>
    public byte[] Read(long offset, byte[]? piece = null)
    {
        var size = (int)Math.Clamp(Length - offset, 0, PieceMax);
        var bytes = size == piece?.Length ? piece : new byte[size];
        var read = size == 0 ? 0 : RandomAccess.Read(_file, bytes, _headLength + offset);
        return read == size ? bytes : bytes[..read];
    }

    public void Dispose() => _file.Dispose();
}
