using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Worker.Logs;

/// <summary>Decides which of two records of one run the log keeps.</summary>
internal static class Replacement
{
    /// <summary>A record that says lost replaces no other of its run, one of an owed ending replaces only one that says lost.</summary>
    public static bool Replaces(this RunRecord record, RunRecord former) =>
        record.Status != RunStatus.Lost && (former.Status == RunStatus.Lost || !record.IsOfOwedEnding());

    /// <summary>
    /// It was made from an owed ending: it has no output, exit code or signal, and all its times are that of the decision. If a run ends
    /// unstarted in the millisecond of its claim, its record looks the same, and says the same.
    /// </summary>
    public static bool IsOfOwedEnding(this RunRecord record) =>
        record is { ExitCode: null, Signal: null } && record.ScheduleTime == record.StartTime && record.StartTime == record.EndTime;
}
