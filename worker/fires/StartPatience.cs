using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>How long the starts of commands may take. A command that has not started by then never does.</summary>
internal static class StartPatience
{
    // Enough time to notice and record a missed start, and to delete its run from etcd.
    private static readonly TimeSpan EndsBeforeNext = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Splits starts into groups that are asked for together. A run whose job is due again soon has less time to start, and does not
    /// shorten the time of the others.
    /// </summary>
    public static IEnumerable<(IEnumerable<Fire> Together, TimeSpan Patience)> Group(IEnumerable<Fire> starting, Moment moment) =>
        from fire in starting
        group fire by FindNext(fire) - moment.Now < HeldCommands.StartsWithin + EndsBeforeNext into together
        select (together.AsEnumerable(), Find(together, moment));

    /// <summary>
    /// Until when a start that came too late is tried again: until the run's start deadline, and not so late that the run would be in the
    /// way of the job's next fire.
    /// </summary>
    public static DateTimeOffset FindLatestStart(Fire fire, Run run) =>
        FindNext(fire) - EndsBeforeNext is { } beforeNext && beforeNext < run.StartDeadline ? beforeNext : run.StartDeadline;

    /// <summary>
    /// How long starts may take: while the session holds, and while a run that misses its start would not be in the way of the job's next
    /// fire.
    /// </summary>
    private static TimeSpan Find(IEnumerable<Fire> starting, Moment moment)
    {
        var holdsFor = moment.HoldsFor;
#if SABOTAGE
        holdsFor = Sabotage.OfSession ? HeldCommands.StartsWithin : holdsFor;
#endif
        var untilNext = (starting.Min(FindNext) ?? DateTimeOffset.MaxValue) - moment.Now - EndsBeforeNext;
        untilNext = untilNext > Least ? untilNext : Least;
        return untilNext < holdsFor ? untilNext : holdsFor;
    }

    /// <summary>The job's next plan time, if this run would be in its way; null = runs of the job may overlap.</summary>
    private static DateTimeOffset? FindNext(Fire fire) =>
        fire.Plan.Overlap == Overlap.Allow ? null : fire.Plan.Schedule.Next(fire.Run.NotBefore);
}
