using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>A job has at most one claim under way, whatever triggered its runs. Its other fires wait for their turn.</summary>
/// <remarks>
/// Two claims in one request would both find no run in flight, and share a fencing token. A claim whose answer was lost counts as under way
/// until etcd has been asked for its outcome.
/// </remarks>
internal sealed class ClaimTurns(PendingFires pending)
{
    private readonly Dictionary<JobName, Turn> _turns = [];

    /// <summary>False = another claim of the job is under way, and the fire waits.</summary>
    public bool TryTake(Fire fire)
    {
        if (_turns.TryAdd(fire.Name, new Turn(fire)) || _turns[fire.Name].Fire == fire)
        {
            return true;
        }
#if SABOTAGE
        if (Sabotage.OfTurns)
        {
            return true;
        }
#endif
        fire.State = new FireState.AwaitsTurn();
        _turns[fire.Name].Wait(fire);
        return false;
    }

    /// <summary>Ends the turn of a fire, unless its claim is under way or its answer was lost.</summary>
    /// <returns>The job's next fire, which claims now; null = none waits.</returns>
    public Fire? End(Fire fire)
    {
        if (fire.IsAsked
            || (fire.Doubt == Doubt.Unanswered && pending.Has(fire))
            || !_turns.TryGetValue(fire.Name, out var turn)
            || turn.Fire != fire)
        {
            return null;
        }

        while (turn.TakeNext())
        {
            if (turn.Fire.State is FireState.AwaitsTurn && pending.Has(turn.Fire))
            {
                return turn.Fire;
            }
        }

        _turns.Remove(fire.Name);
        return null;
    }

    /// <summary>Takes out some of the requested runs that wait behind a fire.</summary>
    public List<Fire> TakeBehind(Fire fire, Func<Fire, bool> isTaken)
    {
        List<Fire> taken = [];
        if (_turns.GetValueOrDefault(fire.Name) is { } turn && turn.Fire == fire)
        {
            for (var left = turn.Behind.Count; left > 0; left--)
            {
                var other = turn.Behind.Dequeue();
                if (other.State is not FireState.AwaitsTurn || !pending.Has(other))
                {
                    continue; // It was tried afresh, and comes here again if it has to wait.
                }

                if (isTaken(other))
                {
                    taken.Add(other);
                }
                else
                {
                    turn.Behind.Enqueue(other);
                }
            }
        }

        return taken;
    }

    /// <summary>The fire of a job whose turn it is to claim, and the fires that wait.</summary>
    private sealed class Turn(Fire fire)
    {
        private Fire? _planned; // The scheduled fire goes first, because it must start on time.

        public Fire Fire { get; private set; } = fire;

        /// <summary>The requested runs.</summary>
        public Queue<Fire> Behind { get; } = new();

        public void Wait(Fire fire)
        {
            if (fire.IsQueued)
            {
                Behind.Enqueue(fire);
            }
            else
            {
                _planned = fire; // Replaces one that was cancelled: a schedule has one pending fire.
            }
        }

        /// <summary>False = no fire waits.</summary>
        public bool TakeNext()
        {
            var next = _planned ?? (Behind.TryDequeue(out var first) ? first : null);
            (Fire, _planned) = (next ?? Fire, null);
            return next is not null;
        }
    }
}
