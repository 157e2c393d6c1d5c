using Dts.Common.Jobs;
using Mvccpb;

namespace Dts.Worker.Fires;

/// <summary>Finds earlier plan times of a fire's job that nobody claimed, so that the fire's claim accounts for them.</summary>
internal sealed class BacklogFinder(FireContext context)
{
    /// <returns>Null = there is none, or it cannot be read.</returns>
    public static Cursor? ReadCursor(KeyValue? pair) =>
        pair is not null && Cursor.TryParse(pair.Value.ToStringUtf8(), out var cursor) ? cursor : null;

    /// <summary>Finds the plan times between the cursor and a fire.</summary>
    /// <param name="pair">The cursor, as etcd has it.</param>
    /// <returns>True if the fire has another backlog now.</returns>
    public bool Find(Fire fire, KeyValue? pair)
    {
        if (pair is null || ReadCursor(pair) is not { } cursor || fire.Backlog?.Cursor == pair.Value)
        {
            return false;
        }

        var before = Cursor.JustBefore(fire.Plan.Schedule.Latest(fire.PlanTime.AddSeconds(-1)));
        if (!fire.IsMisfire && string.CompareOrdinal(pair.Value.ToStringUtf8(), before) > 0)
        {
            fire.Backlog = null;
            return false;
        }

#if SABOTAGE
        if (Sabotage.OfBacklog && context.Moment.Session is null)
        {
            fire.Backlog = new Backlog(pair.Value, null, []);
            return true;
        }
#endif
        // The past of a job that was put by hand after its cursor is unknown. For a mode-all fire that no worker matches, count only the
        // fires that have waited here: the matching workers account for earlier ones by their own cursors.
        var isPastKnown = pair.ModRevision >= fire.Plan.Revision && !(fire.NobodyMatches && fire.Plan.Mode == JobMode.All);
        var waitingFrom = fire.OwedSince.AddSeconds(-1);
        var after = isPastKnown || cursor.PlanTime > waitingFrom ? cursor.PlanTime : waitingFrom;
        var until = fire.IsMisfire ? fire.PlanTime.AddSeconds(1) : fire.PlanTime;
        // The claim sets the session of the ending when it is sent.
        fire.Backlog = Backlog.Find(fire, pair.Value, (after, until), context.Now, (run, count) =>
            OwedEnding.Missed(context.WorkerId, session: "", run, WhyMissed(fire, count, after), context.Now, count, after));
        return true;
    }

    private static string WhyMissed(Fire fire, long count, DateTimeOffset after)
    {
        var missed = count == 1 ? "no worker claimed it" : $"no worker claimed them: {count} fires since {Cursor.Text(after)}";
        return fire.OwedMet.HasFlag(Hindrances.NoSlot) ? $"{missed}; this one had no free slot" : missed;
    }
}
