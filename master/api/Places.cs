using Dts.Master.Access;

namespace Dts.Master.Api;

/// <summary>The places of a kind on this master, such as those of followers of outputs; one caller gets at most a quarter.</summary>
/// <remarks>
/// Thread-safe. A caller is a person or a token; holders of the apiToken, which many may share, are told apart by their network. A master
/// that asks nobody who they are serves its own host only, and there one may have all.
/// </remarks>
/// <param name="kind">Who takes the places.</param>
/// <param name="act">What they do with them.</param>
/// <param name="remedy">What one without a place can do.</param>
internal sealed class Places(int most, string kind, string act, string remedy)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _taken = [];
    private int _all;

    /// <summary>The most of one caller.</summary>
    public int OfOne { get; } = Math.Max(1, most / 4);

    /// <summary>Takes a place until the answer is disposed.</summary>
    /// <exception cref="Refusal">None is free, or the caller has as many as one caller may have.</exception>
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

    private sealed class Place(Places places, string key) : IDisposable
    {
        private int _isLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isLeft, 1) == 0)
            {
                places.Leave(key);
            }
        }
    }
}
