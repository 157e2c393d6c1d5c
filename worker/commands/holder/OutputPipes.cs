using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>The reading ends of the commands' output pipes.</summary>
/// <remarks>
/// Not thread-safe. The child loop is its only caller. A pipe outlives its command while a background child has it open. Its bytes are then
/// read and discarded, because a closed pipe would kill the writer with SIGPIPE.
/// </remarks>
internal sealed class OutputPipes
{
    private const int ReadSize = 64 * 1024; // as much as a pipe holds, unless somebody enlarged it

    private readonly Dictionary<int, Child?> _children = []; // by descriptor; null: its command is over
    private readonly byte[] _buffer = new byte[ReadSize];
    private int _count;

    /// <summary>The number of open pipes. Any thread may read it.</summary>
    public int Count => Volatile.Read(ref _count);

    public void Add(Child child)
    {
        _children.Add(child.Input, child);
        Volatile.Write(ref _count, _children.Count);
    }

    /// <summary>The command that writes to a pipe; null = it is over.</summary>
    public Child? FindChild(int pipe) => _children.GetValueOrDefault(pipe);

    /// <summary>Reads once.</summary>
    public void Read(int pipe)
    {
        if (_children.TryGetValue(pipe, out var child))
        {
            _ = Read(pipe, child?.Output, ReadSize);
        }
    }

    /// <summary>
    /// Reads the bytes that the pipe of an ended command holds now, and the end of the stream if it comes next. A background child that
    /// keeps the pipe, and even writes on and on, delays nothing.
    /// </summary>
    public void TakeRest(Child child)
    {
        if (FindChild(child.Input) != child)
        {
            return;
        }

        var rest = FileDescriptors.CountReadable(child.Input);
        while (rest > 0 && Read(child.Input, child.Output, Math.Min(rest, ReadSize)) is > 0 and var count)
        {
            rest -= count;
        }

        Forget(child);
        Read(child.Input);
    }

    /// <summary>Discards all further output of a command.</summary>
    public void Forget(Child child)
    {
        if (FindChild(child.Input) == child)
        {
            _children[child.Input] = null;
        }
    }

    public void CloseAll()
    {
        foreach (var pipe in _children.Keys)
        {
            FileDescriptors.Close(pipe);
        }
    }

    // No other process has this end of the pipe, so closing it also ends its watch.
    private int Read(int pipe, OutputCapture? capture, int countMax)
    {
        var count = FileDescriptors.Read(pipe, _buffer.AsSpan(0, countMax));
        if (count > 0)
        {
            capture?.Append(_buffer.AsSpan(0, count));
        }
        else if (count is not (-Errno.EAGAIN or -Errno.EINTR))
        {
            _ = _children.Remove(pipe);
            Volatile.Write(ref _count, _children.Count);
            FileDescriptors.Close(pipe);
        }

        return count;
    }
}
