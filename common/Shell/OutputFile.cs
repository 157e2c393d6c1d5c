using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Dts.Common.Shell;

/// <summary>A command's whole output up to a limit, on disk while it runs, so that it can be read before the command ends and after a crash.</summary>
/// <remarks>
/// Thread-safe. A short output stays in memory and never gets a file: that is made when there is more than fits into a piece, or when it is asked for. Its first
/// line says whose it is. A disk that does not take it ends it: the record of the run has head and tail all the same.
/// </remarks>
public sealed class OutputFile(string path, string run, long limitBytes) : IDisposable
{
    /// <summary>What is kept in memory at the most, and the usual size of what is read at a time.</summary>
    public const int Piece = 64 << 10;

    private readonly Lock _gate = new();
    private readonly byte[] _head = Encoding.UTF8.GetBytes(run + "\n");
    private MemoryStream? _pending = new();
    private SafeFileHandle? _file;
    private long _length;

    public string Path { get; } = path;

    /// <summary>The record's id, <c>job/runId</c>.</summary>
    public string Run { get; } = run;

    /// <summary>How many bytes are in the file, from the first on; 0 = there is none.</summary>
    public long Stored
    {
        get
        {
            lock (_gate)
            {
                return _file is null ? 0 : _length;
            }
        }
    }

    /// <summary>Why it has ended before its time; null = it has not.</summary>
    public string? Failure { get; private set; }

    /// <summary>Opens one that a process before this left behind; null = it is none.</summary>
    public static OutputFile? Reopen(string path)
    {
        var file = File.OpenHandle(path);
        Span<byte> head = stackalloc byte[1024]; // A name has up to 200 bytes, a run id less than 200.
        var size = head[..RandomAccess.Read(file, head, 0)].IndexOf((byte)'\n');
        if (size <= 0)
        {
            file.Dispose();
            return null;
        }

        return new OutputFile(path, Encoding.UTF8.GetString(head[..size]), 0) { _file = file, _length = RandomAccess.GetLength(file) - size - 1, _pending = null };
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            bytes = bytes[..(int)Math.Min(bytes.Length, Math.Max(0, limitBytes - _length))];
            if (Failure is not null || bytes.Length == 0)
            {
                return;
            }

            if (_pending is { } pending)
            {
                pending.Write(bytes);
                _length += bytes.Length;
                if (_length > Piece)
                {
                    MakeFile();
                }
            }
            else
            {
                Write(bytes, _head.Length + _length);
                _length += Failure is null ? bytes.Length : 0;
            }
        }
    }

    /// <summary>Makes what there is so far readable.</summary>
    public void Show()
    {
        lock (_gate)
        {
            if (_pending is { Length: > 0 } && Failure is null)
            {
                MakeFile();
            }
        }
    }

    /// <summary>Reads what is in the file from an offset on, up to a piece.</summary>
    /// <exception cref="IOException">The disk does not give it.</exception>
    public byte[] Read(long offset)
    {
        lock (_gate)
        {
            var bytes = new byte[_file is null ? 0 : Math.Min(Piece, _length - offset)];
            var read = bytes.Length == 0 ? 0 : RandomAccess.Read(_file!, bytes, _head.Length + offset);
            return bytes[..read];
        }
    }

    /// <summary>Closes it; the file stays.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            _file = null;
            _pending = null;
            Failure ??= "closed";
        }
    }

    private void MakeFile()
    {
        try
        {
            _file = File.OpenHandle(Path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
            RandomAccess.Write(_file, _head, 0);
            RandomAccess.Write(_file, _pending!.GetBuffer().AsSpan(0, (int)_pending.Length), _head.Length);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            (Failure, _length) = (failure.Message, 0);
            _file?.Dispose();
            _file = null;
        }

        _pending = null;
    }

    private void Write(ReadOnlySpan<byte> bytes, long at)
    {
        try
        {
            RandomAccess.Write(_file!, bytes, at);
        }
        catch (IOException failure)
        {
            Failure = failure.Message;
        }
    }
}
