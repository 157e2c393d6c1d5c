namespace Dts.Worker.Commands.Holders;

/// <summary>Our ends of the commands' output pipes, read as soon as something is in them.</summary>
/// <remarks>
/// Not thread-safe. The child loop is its only caller. A pipe outlives its command as long as some background child keeps it: what
/// comes then is read and thrown away, for a closed pipe would kill the writer with SIGPIPE.
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

    /// <summary>The command whose output comes out of a pipe; null when it is over.</summary>
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
    /// Takes what the pipe of a command that has ended holds at this moment, and the end of the stream if it comes next: a
    /// background child that keeps the pipe, and even writes on and on, delays nothing.
    /// </summary>
    public void TakeRest(Child child)
    {
        if (FindChild(child.Input) != child)
        {
            return;
        }

        var rest = Native.CountReadable(child.Input);
        while (rest > 0 && Read(child.Input, child.Output, Math.Min(rest, ReadSize)) is > 0 and var count)
        {
            rest -= count;
        }

        Forget(child);
        Read(child.Input);
    }

    /// <summary>Keeps nothing of what still comes for a command.</summary>
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
            Native.Close(pipe);
        }
    }

    // Nobody else has this end of the pipe: closing it also ends its watch.
    private int Read(int pipe, OutputCapture? capture, int countMax)
    {
        var count = Native.Read(pipe, _buffer.AsSpan(0, countMax));
        if (count > 0)
        {
            capture?.Append(_buffer.AsSpan(0, count));
        }
        else if (count is not (-Native.EAGAIN or -Native.EINTR))
        {
            _ = _children.Remove(pipe);
            Volatile.Write(ref _count, _children.Count);
            Native.Close(pipe);
        }

        return count;
    }
}
