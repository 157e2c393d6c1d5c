using System.Net;
using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>
/// Delays the answers to wrong tokens, longer for each one from the same address, and logs them, with at most one line a second.
/// </summary>
/// <remarks>A right token is never delayed, whatever its address has sent before. A waiting request holds no thread.</remarks>
internal sealed class RefusedTokens : IDisposable
{
    internal const int AddressesMax = 1000;

    private const int WaitingMax = 200;
    private const int DoublingsMax = 6;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _sayRest;
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, Attempts> _byAddress = [];
    private int _waiting;
    private int _unsaid;
    private long? _said;
    private IPAddress _latest = IPAddress.None;

    public RefusedTokens(TimeProvider time, ILogger log)
    {
        (_time, _log) = (time, log);
        _sayRest = time.CreateTimer(_ => SayRest(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    internal int Addresses
    {
        get
        {
            lock (_gate)
            {
                return _byAddress.Count;
            }
        }
    }

    /// <summary>Counts a wrong token and waits until it may be answered. False = too many requests wait: refuse this one at once.</summary>
    public async Task<bool> WaitAsync(IPAddress address, CancellationToken cancel)
    {
        TimeSpan delay;
        lock (_gate)
        {
            Say(address);
            delay = Count(ClientNetwork.Of(address));
            if (_waiting == WaitingMax)
            {
                return false;
            }

            _waiting++;
        }

        try
        {
            await Task.Delay(delay, _time, cancel);
            return true;
        }
        finally
        {
            lock (_gate)
            {
                _waiting--;
            }
        }
    }

    public void Dispose() => _sayRest.Dispose();

    private TimeSpan Count(IPAddress network)
    {
        var now = _time.GetTimestamp();
        var known = _byAddress.TryGetValue(network, out var before) && _time.GetElapsedTime(before.Latest) <= ForgottenAfter;
        if (!known && _byAddress.Count >= AddressesMax)
        {
            var oldest = network;
            var latest = long.MaxValue;
            foreach (var (address, attempts) in _byAddress)
            {
                (oldest, latest) = attempts.Latest < latest ? (address, attempts.Latest) : (oldest, latest);
            }

            _byAddress.Remove(oldest);
        }

        var count = known ? before!.Count + 1 : 1;
        _byAddress[network] = new Attempts(count, now);
        var delay = FirstDelay * (1 << Math.Min(count - 1, DoublingsMax));
        return delay < LongestDelay ? delay : LongestDelay;
    }

    private void Say(IPAddress address)
    {
        (_latest, _unsaid) = (address, _unsaid + 1);
        var since = _said is { } said ? _time.GetElapsedTime(said) : LogEvery;
        if (since >= LogEvery)
        {
            SayNow();
        }
        else if (_unsaid == 1)
        {
            _sayRest.Change(LogEvery - since, Timeout.InfiniteTimeSpan);
        }
    }

    private void SayRest()
    {
        lock (_gate)
        {
            if (_unsaid > 0)
            {
                SayNow();
            }
        }
    }

    private void SayNow()
    {
        _log.TokenRefused(_latest, _unsaid);
        (_said, _unsaid) = (_time.GetTimestamp(), 0);
    }

    private sealed record Attempts(int Count, long Latest);
}
