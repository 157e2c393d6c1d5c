using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Dts.Worker.Fires;

/// <summary>Where events wait for <see cref="FireLoop"/>. Thread-safe.</summary>
internal sealed class FireInbox
{
    // Full: the watches wait. The alarm's real-time thread runs the loop itself, because it has priority over the threads of the pool.
    private readonly Channel<FireEvent> _channel = Channel.CreateBounded<FireEvent>(
        new BoundedChannelOptions(1024) { AllowSynchronousContinuations = true, SingleReader = true });

    private readonly ConcurrentQueue<FireEvent> _posted = new();
    private int _isWoken; // 1 = the loop looks at the time and at what was posted, and has not begun to.

    /// <summary>For events that can wait until there is room.</summary>
    public ChannelWriter<FireEvent> Writer => _channel.Writer;

    public ChannelReader<FireEvent> Reader => _channel.Reader;

    /// <summary>Adds an answer or an ending. It never waits: there are few of them at a time.</summary>
    public void Post(FireEvent happened)
    {
        _posted.Enqueue(happened);
        Wake();
    }

    /// <summary>Makes the loop look at the time. If the channel is full, the loop will do so anyway.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _isWoken, 1) == 0)
        {
            _channel.Writer.TryWrite(new FireEvent.Tick());
        }
    }

    /// <summary>For the loop, after each event of the channel, until it returns false.</summary>
    public bool TryTakePosted([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out FireEvent? posted)
    {
        Interlocked.Exchange(ref _isWoken, 0); // Before the look: what is posted from here on wakes the loop again.
        return _posted.TryDequeue(out posted);
    }

    /// <returns>False = the worker is stopping, and takes no more.</returns>
    public async Task<bool> TrySendAsync(FireEvent happened, CancellationToken cancel)
    {
        while (await Writer.WaitToWriteAsync(cancel))
        {
            if (Writer.TryWrite(happened))
            {
                return true;
            }
        }

        return false;
    }
}
