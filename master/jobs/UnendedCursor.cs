using System.Globalization;
using Dts.Master.Logs;

namespace Dts.Master.Jobs;

/// <summary>A place between two runs that have not ended: those in flight first, of these the latest first.</summary>
/// <param name="NotBefore">When the run may start, in ticks.</param>
internal readonly record struct UnendedCursor(bool IsQueued, long NotBefore, string JobName, string RunId) : IComparable<UnendedCursor>
{
    private const string Waiting = "queued";
    private const string Held = "held";

    public static UnendedCursor Of(UnendedRun run) =>
        new(run.State == UnendedRun.Queued, run.NotBefore.UtcTicks, run.JobName, run.RunId);

    /// <returns>Null = the text is no such place.</returns>
    public static UnendedCursor? Parse(string text) =>
        CursorText.Read(text, 3) is [Waiting or Held, var time, var id] parts
        && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
        && id.Split('/', 2) is [var job, var runId]
            ? new UnendedCursor(parts[0] == Waiting, ticks, job, runId)
            : null;

    public int CompareTo(UnendedCursor other)
    {
        var byTime = (IsQueued, -NotBefore).CompareTo((other.IsQueued, -other.NotBefore));
        var byName = byTime != 0 ? byTime : string.CompareOrdinal(JobName, other.JobName);
        return byName != 0 ? byName : string.CompareOrdinal(RunId, other.RunId);
    }

    public override string ToString() => CursorText.Write(
        string.Create(CultureInfo.InvariantCulture, $"{(IsQueued ? Waiting : Held)} {NotBefore} {JobName}/{RunId}"));
}
