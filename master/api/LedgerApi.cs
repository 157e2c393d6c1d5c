using System.ComponentModel;
using Dts.Master.Access;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>The ledger: every planned time of one job, and the faults of all jobs.</summary>
internal sealed class LedgerApi(JobStore jobs, LedgerReader ledger, TimeProvider time)
{
    private const int LimitByDefault = 1000;
    private const int LimitMax = 10_000;

    /// <summary>By then a run that has ended is in the log: its record needs about a second, more on a busy worker.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromMinutes(1);

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/jobs/{name}/ledger", async (
            string name,
            [Description("The start of the span; the day before to unless given")] string? from,
            [Description("Its end; now unless given")] string? to,
            [Description("How many lines, 1 to 10000; 1000 unless given")] string? limit,
            string? after,
            CancellationToken cancel) =>
        {
            var until = Query.Moment("to", to) ?? time.GetUtcNow();
            var since = Query.Moment("after", after) ?? Query.Moment("from", from) ?? Ledger.DayBefore(until);
            ThrowIfWrong(since, until);
            var lines = Query.Number("limit", limit, LimitByDefault, 1, LimitMax);
            var job = await jobs.ResolveAsync(Query.Name(name), cancel);
            return await ledger.ReadAsync(job, since, until, lines, cancel) ?? throw Refusal.NotFound(LedgerReader.NotAJob(job));
        }).RequireRole(Role.Viewer).WithSummary("Each plan time of a job with its ending, the reason and who decided it");

        v1.MapGet("/ledger", (
            [Description("The start of the span; the day before to unless given")] string? from,
            [Description("Its end; a minute ago unless given, so that what has just ended is in the log")] string? to,
            [Description("Endings that are also listed, such as missed,lost")] string? endings,
            string? after,
            HttpContext http,
            CancellationToken cancel) =>
        {
            var until = Query.Moment("to", to) ?? time.GetUtcNow() - Settled;
            var since = Query.Moment("from", from) ?? Ledger.DayBefore(until);
            ThrowIfWrong(since, until);
            var caller = Caller.Of(http);
            return ledger.FindWrongAsync(
                since,
                until,
                Query.Endings("endings", endings),
                Query.Place(after, LedgerPlace.Parse),
                cancel,
                caller.Scope.IsEverything ? null : caller.MaySee);
        }).RequireRole(Role.Viewer).WithSummary("The faults in the ledger of all jobs: plan times without an ending, or with two");
    }

    private static void ThrowIfWrong(DateTimeOffset from, DateTimeOffset to)
    {
        if (Ledger.FindFault(from, to) is { } fault)
        {
            throw new FormatException(fault);
        }
    }
}
