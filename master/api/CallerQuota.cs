using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>Limits how many callers do something at a time, such as follow outputs; one caller gets at most a quarter.</summary>
/// <remarks>
/// Thread-safe. A caller is a person or a token. Many may share the apiToken, so its holders are distinguished by their network. A master
/// that needs no credentials serves only its own host, where one caller may have all places.
/// </remarks>
/// <param name="kind">The callers, in words.</param>
/// <param name="act">What they do.</param>
/// <param name="remedy">Advice for a caller that gets no place.</param>
internal sealed class CallerQuota(int most, string kind, string act, string remedy)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _taken = [];
    private int _all;

    /// <summary>The most places of one caller.</summary>
    public int OfOne { get; } = Math.Max(1, most / 4);

    /// <summary>Takes a place until the answer is disposed.</summary>
    /// <exception cref="Refusal">No place is free, or the caller has as many as one caller may have.</exception>
    public IDisposable Take(Caller caller)
    {
        var key = KeyOf(caller);
        lock (_gate)
        {
            var own = _taken.GetValueOrDefault(key);
            if (_all == most)
            {
                throw Refusal.Unavailable($"{most} {kind} {act}; {remedy}");
            }

            if (own >= OfOne && caller.Via != CallerVia.Loopback)
            {
                throw Refusal.TooMany($"{own} {kind} of {caller.Name} {act}, the most of one caller; {remedy}");
            }

            _all++;
            _taken[key] = own + 1;
        }

        return new Place(this, key);
    }

    private static string KeyOf(Caller caller) => caller.Via switch
    {
        CallerVia.ApiToken or CallerVia.Loopback => $"network {ClientNetwork.Of(caller.Address)}",
        CallerVia.Token => $"token {caller.Name}",
        _ => $"person {caller.Name}",
    };

    private void Leave(string key)
    {
        lock (_gate)
        {
            _all--;
            if (--_taken[key] == 0)
            {
                _taken.Remove(key);
            }
        }
    }

    private sealed class Place(CallerQuota quota, string key) : IDisposable
    {
        private int _isLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isLeft, 1) == 0)
            {
                quota.Leave(key);
            }
        }
    }
}
