using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Threading.Channels;
using Dts.Master.Views;

namespace Dts.Master.Events;

/// <summary>Passes the events of this master to its listeners.</summary>
/// <remarks>
/// <para>Thread-safe. Listeners share one ring of the latest events, and each reads it at its own pace. A listener that falls behind the
/// ring is disconnected. So a listener costs a connection and a number, and nothing waits for it.</para>
/// <para>Events are made while there is a listener, and for a minute after the last one left, so that it can come back.</para>
/// </remarks>
internal sealed class EventFeed(TimeProvider time)
{
    public const int CountMax = 10_000;
    public const long BytesMax = 8 << 20;
    public const int ListenersMax = 5000;

    private const int ReadAtOnce = 100;

    private static readonly TimeSpan PausesAfterWake = TimeSpan.FromMilliseconds(10); // Many events wake the listeners once.
    private static readonly TimeSpan ChecksEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan KeepsAliveEvery = TimeSpan.FromSeconds(15); // Or proxies close a silent stream.
    private static readonly TimeSpan CutOffMin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KeepsFor = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly EventRing _ring = new(CountMax, BytesMax);
    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }); // full: the listeners are about to wake anyway
    private readonly string _epoch = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _listeners;
    private long? _emptySince; // When the last listener left; null = there is one.
    private bool _isKeeping;
    private bool _isCutOff;

    /// <summary>Goes up whenever listeners are due a sign that the stream is alive.</summary>
    public int KeepAlives { get; private set; }

    public bool IsEnded { get; private set; }

    /// <summary>Wakes the listeners until cancelled, and tells them when the view no longer follows etcd.</summary>
    public async Task RunAsync(ClusterView view, CancellationToken stop)
    {
        await Task.WhenAll(WakeAsync(stop), CheckAsync(view, stop));
        lock (_gate)
        {
            IsEnded = true;
        }

        Wake();
    }

    /// <summary>Takes changes of the view, as its observer.</summary>
    public void Take(ClusterView view, ClusterState state, IReadOnlyList<ClusterChange> changes)
    {
        if (!view.IsListed || !IsWanted())
        {
            return;
        }

        var now = time.GetUtcNow();
        foreach (var change in changes)
        {
            if (EventWriter.Write(change, state, now) is { } made)
            {
                Add(made);
            }
        }
    }

    public void Add(FeedEvent added)
    {
        lock (_gate)
        {
            if (!_isKeeping)
            {
                return;
            }

            _ring.Add(added);
        }

        _news.Writer.TryWrite(true);
    }

    /// <summary>Adds a listener.</summary>
    /// <param name="lastEventId">The id of the last event that it received; null = it is new.</param>
    public Place Join(string? lastEventId)
    {
        lock (_gate)
        {
            _listeners++;
            _emptySince = null;
            _isKeeping = true;
            return TryParse(lastEventId, out var number) && _ring.After(number, 0) is not null
                ? new Place(number, IsResumed: true)
                : new Place(_ring.Latest, IsResumed: false);
        }
    }

    public void Leave()
    {
        lock (_gate)
        {
            if (--_listeners == 0)
            {
                _emptySince = time.GetTimestamp();
            }
        }
    }

    /// <summary>The events after a number (null = the listener is too far behind), and a task that completes when there are more.</summary>
    public (IReadOnlyList<FeedEvent>? Events, Task More) Read(long number)
    {
        lock (_gate)
        {
            return (_ring.After(number, ReadAtOnce), _more.Task);
        }
    }

    public string IdOf(long number) => string.Create(CultureInfo.InvariantCulture, $"{_epoch}-{number}");

    private bool TryParse(string? id, out long number)
    {
        number = 0;
        return id?.Split('-') is [var epoch, var text]
            && epoch == _epoch
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private bool IsWanted()
    {
        lock (_gate)
        {
            if (_isKeeping && _emptySince is { } since && time.GetElapsedTime(since) > KeepsFor)
            {
                _isKeeping = false;
                _ring.Forget();
            }

            return _isKeeping;
        }
    }

    private void Wake()
    {
        TaskCompletionSource more;
        lock (_gate)
        {
            more = _more;
            _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        more.SetResult();
    }

    private async Task WakeAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await _news.Reader.ReadAsync(stop);
                Wake();
                await Task.Delay(PausesAfterWake, time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }

    private async Task CheckAsync(ClusterView view, CancellationToken stop)
    {
        for (var said = time.GetTimestamp(); !stop.IsCancellationRequested;)
        {
            var cutOff = view.CutOff;
            if (cutOff > CutOffMin != _isCutOff)
            {
                _isCutOff = !_isCutOff;
                Add(new FeedEvent(
                    "health",
                    JsonSerializer.SerializeToUtf8Bytes(
                        new HealthEvent(!_isCutOff, (time.GetUtcNow() - cutOff).UtcDateTime), EventJson.Readable.HealthEvent),
                    EventSubject.Everyone));
            }

            if (time.GetElapsedTime(said) > KeepsAliveEvery)
            {
                said = time.GetTimestamp();
                KeepAlives++;
                _news.Writer.TryWrite(true);
            }

            await Task.Delay(ChecksEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <param name="Number">The listener gets the events after it.</param>
    /// <param name="IsResumed">The listener has missed nothing.</param>
    public readonly record struct Place(long Number, bool IsResumed);
}
