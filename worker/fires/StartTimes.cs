using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Rings when claimed runs are to start, and shortly before, for a warm-up (<see cref="FireAction.WarmUp"/>).</summary>
internal sealed class StartTimes(FireContext context)
{
    /// <summary>How long before a start the warm-up comes. Its answer takes less.</summary>
    public const int WarmUpMs = 3;

    private readonly HashSet<string> _users = []; // whose commands start soon

    private long NowMs => context.Now.ToUnixTimeMilliseconds();

    /// <summary>
    /// Lets a claimed run wait for the time at which it is to start. If the clock was stepped back while it was claimed or prepared, it
    /// starts now (<see cref="Starts.TakeStepBack"/>).
    /// </summary>
    public void Wait(Fire fire, Run run, DateTimeOffset startsAt)
    {
        var startsAtMs = context.IsTooFarAhead(startsAt) ? NowMs : startsAt.ToUnixTimeMilliseconds();
        var ringsAtMs = startsAtMs - WarmUpMs > NowMs ? startsAtMs - WarmUpMs : startsAtMs;
        fire.State = new FireState.Claimed(run, startsAtMs, context.Wheel.Add(ringsAtMs, fire));
    }

    /// <summary>Further ahead than any run is claimed.</summary>
    public bool IsTooFarAhead(FireState.Claimed claimed) =>
        context.IsTooFarAhead(DateTimeOffset.FromUnixTimeMilliseconds(claimed.StartsAtMs));

    /// <summary>Takes the ring of a claimed run.</summary>
    /// <returns>True = it starts now. False = its holder is to be warmed up, and the run rings again when it starts.</returns>
    public bool TakeRing(Fire fire, FireState.Claimed claimed)
    {
        if (claimed.StartsAtMs <= NowMs)
        {
            return true;
        }

        _users.Add(claimed.Run.User);
        fire.State = claimed with { Timer = context.Wheel.Add(claimed.StartsAtMs, fire) };
        return false;
    }

    /// <summary>Ends the wait of a claimed run: it starts as soon as there is a slot.</summary>
    public FireState.Ready End(Fire fire)
    {
        var (run, _, timer) = (FireState.Claimed)fire.State;
        context.Wheel.Cancel(timer);
        return new FireState.Ready(run, context.Wheel.Add(run.StartDeadline.ToUnixTimeMilliseconds() + 1, fire));
    }

    /// <summary>Warms up the holders whose commands start soon.</summary>
    public void WarmUp()
    {
        if (_users.Count > 0)
        {
            context.Do(new FireAction.WarmUp([.. _users]));
            _users.Clear();
        }
    }
}
