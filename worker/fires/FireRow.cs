namespace Dts.Worker.Fires;

/// <summary>The later fires of a job's schedule that wait in a row behind its pending fire.</summary>
internal static class FireRow
{
    /// <summary>The last fire of a row; the first itself if no other waits behind it.</summary>
    public static Fire LastOf(Fire first)
    {
        var last = first;
        while (last.Next is { } next)
        {
            last = next;
        }

        return last;
    }

    /// <summary>Drops each waiting fire whose successor's time has come: the claim of the successor accounts for it.</summary>
    public static void DropOvertaken(Fire first, DateTimeOffset now)
    {
        while (first.Next is { Next: { } later } dropped && later.PlanTime <= now)
        {
            later.OwedSince = dropped.OwedSince;
            first.Next = later;
        }
    }

    /// <summary>Takes the fires that no worker matches out of the front of a row.</summary>
    public static List<Fire> TakeUnmatched(Fire first)
    {
        List<Fire> taken = [];
        for (; first.Next is { NobodyMatches: true } next; first.Next = next.Next)
        {
            taken.Add(next);
        }

        return taken;
    }

    /// <summary>Cuts a row before the first waiting fire for which <paramref name="isBeyond"/> is true.</summary>
    public static void CutBefore(Fire first, Predicate<Fire> isBeyond)
    {
        var last = first;
        while (last.Next is { } next && !isBeyond(next))
        {
            last = next;
        }

        last.Next = null;
    }
}
