using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Rings when claimed runs are to start, and a little before that, for a warm-up (<see cref="FireAction.WarmUp"/>).</summary>
internal sealed class StartTimes(FireContext context)
{
    /// <summary>How long before a start the warm-up comes: enough for its answer, too.</summary>
    public const int WarmUpMs = 3;

    private readonly HashSet<string> _users = []; // whose commands start soon

    private long NowMs => context.Now.ToUnixTimeMilliseconds();

    /// <summary>Lets a claimed run wait for the time at which it is to start.</summary>
    public void Wait(Fire fire, Run run, DateTimeOffset startsAt)
    {
        var startsAtMs = startsAt.ToUnixTimeMilliseconds();
        var ringsAtMs = startsAtMs - WarmUpMs > NowMs ? startsAtMs - WarmUpMs : startsAtMs;
        fire.State = new FireState.Claimed(run, startsAtMs, context.Wheel.Add(ringsAtMs, fire));
    }

    /// <summary>Whether the time of a run that has rung has come. If not, it rings again.</summary>
    public bool HasCome(Fire fire, FireState.Claimed claimed)
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

    /// <summary>Has the holders warmed up whose commands start soon.</summary>
    public void WarmUp()
    {
        if (_users.Count > 0)
        {
            context.Do(new FireAction.WarmUp([.. _users]));
            _users.Clear();
        }
    }
}
