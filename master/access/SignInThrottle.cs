using System.Net;

namespace Dts.Master.Access;

/// <summary>Limits the attempts to sign in: each check takes a third of a second of one core.</summary>
/// <remarks>
/// Without I/O and without a clock; not thread-safe. An attempt counts against its network (an IPv4 address, or a /64 of IPv6) and its
/// name, unless the password was right. The limit of a network is lower than that of a name, so one stranger cannot lock a person out. The
/// limit of a name does not apply where the person is signed in already.
/// </remarks>
internal sealed class SignInThrottle
{
    public const int OfNetwork = 10;
    public const int OfName = 50;

    internal const int RememberedMax = 10_000;

    /// <summary>How long attempts count.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, Attempts> _attempts = [];

    internal int Remembered => _attempts.Count;

    /// <summary>Counts an attempt, and returns zero; a longer time = it is over a limit, and must wait for so long.</summary>
    /// <param name="isKnownHere">The person is signed in from this address.</param>
    /// <param name="now">By the monotonic clock.</param>
    public TimeSpan Begin(string name, IPAddress address, bool isKnownHere, TimeSpan now)
    {
        var ofNetwork = WaitOf(KeyOf(address), OfNetwork, now);
        var ofName = isKnownHere ? TimeSpan.Zero : WaitOf(KeyOf(name), OfName, now);
        var wait = ofNetwork > ofName ? ofNetwork : ofName;
        if (wait == TimeSpan.Zero)
        {
            Count(KeyOf(address), now);
            Count(KeyOf(name), now);
        }

        return wait;
    }

    /// <summary>Takes back an attempt whose password was right.</summary>
    public void Forgive(string name, IPAddress address)
    {
        foreach (var key in new[] { KeyOf(address), KeyOf(name) })
        {
            if (_attempts.TryGetValue(key, out var attempts))
            {
                _attempts[key] = attempts with { Count = attempts.Count - 1 };
            }
        }
    }

    private void Count(string key, TimeSpan now)
    {
        var isGoingOn = _attempts.TryGetValue(key, out var before) && before.Since + Window > now;
        if (!isGoingOn && _attempts.Count >= RememberedMax)
        {
            var oldest = _attempts.MinBy(attempts => attempts.Value.Since).Key;
            _attempts.Remove(oldest);
        }

        _attempts[key] = isGoingOn ? before with { Count = before.Count + 1 } : new Attempts(1, now);
    }

    private TimeSpan WaitOf(string key, int most, TimeSpan now) =>
        _attempts.TryGetValue(key, out var attempts) && attempts.Count >= most && attempts.Since + Window > now
            ? attempts.Since + Window - now
            : TimeSpan.Zero;

    private static string KeyOf(string name) => $"name {name}";

    private static string KeyOf(IPAddress address) => $"{ClientNetwork.Of(address)}";

    private readonly record struct Attempts(int Count, TimeSpan Since);
}
