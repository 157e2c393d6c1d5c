using System.Text;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands.Holders;

/// <summary>
/// Writes a command's whole output, up to a limit, to disk while it runs, so that it can be read before the command ends and after a crash.
/// </summary>
/// <remarks>
/// Not thread-safe. A short text stays in memory, and its file stays empty. The file is written once the output exceeds one piece, when
/// a reader asks for it, or at the end if the output is not text. Its first line names the run. After a write error nothing more is
/// written: the run's record still has head and tail.
/// </remarks>
/// <param name="descriptor">The empty file, open for writing; negative = it could not be opened.</param>
internal sealed class OutputFile(OutputTarget target, int descriptor) : IDisposable
{
    private readonly byte[] _head = Encoding.UTF8.GetBytes(target.Run + "\n");
    private MemoryStream? _pending = new();
    private readonly SafeFileHandle? _file = descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    private long _length;
    private bool _hasFailed;

    /// <summary>How many of the first bytes are in the file; 0 = it is empty.</summary>
    public long Stored { get; private set; }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..(int)Math.Min(bytes.Length, Math.Max(0, target.LimitBytes - _length))];
        if (_hasFailed || bytes.Length == 0)
        {
            return;
        }

        _length += bytes.Length;
        if (_pending is { } pending)
        {
            pending.Write(bytes);
            if (_length > OutputTarget.KeptInMemory)
            {
                MakeFile();
            }
        }
        else
        {
            Write(bytes);
        }
    }

    /// <summary>Makes the output so far readable.</summary>
    public void Show()
    {
        if (_pending is { Length: > 0 })
        {
            MakeFile();
        }
    }

    /// <summary>Writes the bytes in memory to the file, unless they are text within a limit, and closes it.</summary>
    public void End(int textBytesMax)
    {
        if (_pending is { } pending && (pending.Length > textBytesMax || !Utf8.IsValid(pending.GetBuffer().AsSpan(0, (int)pending.Length))))
        {
            MakeFile();
        }

        Dispose();
    }

    /// <summary>Closes it; the file stays.</summary>
    public void Dispose()
    {
        _file?.Dispose();
        (_pending, _hasFailed) = (null, true);
    }

    private void MakeFile()
    {
        var pending = _pending!;
        _pending = null;
        try
        {
            RandomAccess.Write(_file ?? throw new IOException("there is no file"), _head, 0);
            Write(pending.GetBuffer().AsSpan(0, (int)pending.Length));
        }
        catch (IOException)
        {
            _hasFailed = true;
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file!, bytes, _head.Length + Stored);
            Stored += bytes.Length;
        }
        catch (IOException)
        {
            _hasFailed = true;
        }
    }
}
