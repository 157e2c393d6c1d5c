using System.Net;

namespace Dts.Master.Access;

/// <summary>Says which attempts to sign in may be checked at all: each check costs a third of a second of one core.</summary>
/// <remarks>
/// Without I/O and without a clock; not thread-safe. Attempts count for a network (an IPv4 address, or a /64 of IPv6) and for a name, and
/// those with the right password are forgiven. A network has fewer attempts than a name, so one stranger uses up their own and not the
/// person's. A person who is signed in from an address may sign in there again, whatever strangers do to the name.
/// </remarks>
internal sealed class SignInThrottle
{
    public const int OfNetwork = 10;
    public const int OfName = 50;

    internal const int RememberedMax = 10_000;

    /// <summary>Attempts are forgotten after this.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, Attempts> _attempts = [];

    internal int Remembered => _attempts.Count;

    /// <summary>Zero = the attempt counts and may be checked; else how long to wait.</summary>
    /// <param name="isKnownHere">The person is signed in from this address.</param>
    public TimeSpan Begin(string name, IPAddress address, bool isKnownHere, DateTimeOffset now)
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

    /// <summary>The password was right.</summary>
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

    private void Count(string key, DateTimeOffset now)
    {
        var isGoingOn = _attempts.TryGetValue(key, out var before) && before.Since + Window > now;
        if (!isGoingOn && _attempts.Count >= RememberedMax)
        {
            var oldest = _attempts.MinBy(attempts => attempts.Value.Since).Key;
            _attempts.Remove(oldest);
        }

        _attempts[key] = isGoingOn ? before with { Count = before.Count + 1 } : new Attempts(1, now);
    }

    private TimeSpan WaitOf(string key, int most, DateTimeOffset now) =>
        _attempts.TryGetValue(key, out var attempts) && attempts.Count >= most && attempts.Since + Window > now
            ? attempts.Since + Window - now
            : TimeSpan.Zero;

    private static string KeyOf(string name) => $"name {name}";

    private static string KeyOf(IPAddress address) => $"{ClientNetwork.Of(address)}";

    private readonly record struct Attempts(int Count, DateTimeOffset Since);
}
