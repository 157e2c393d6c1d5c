using Dts.Common.Cron;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The ledger of a job.</summary>
internal sealed class LedgerApi(JobStore jobs, ILogReader store, CronZone defaultZone, TimeProvider time)
{
    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/jobs/{name}/ledger", async (string name, string? from, string? to, CancellationToken cancel) =>
        {
            var now = time.GetUtcNow();
            var until = Query.Moment("to", to) ?? now;
            var since = Query.Moment("from", from) ?? Ledger.DayBefore(until);
            if (Ledger.FindFault(since, until) is { } fault)
            {
                throw new FormatException(fault);
            }

            var job = await jobs.ResolveAsync(Query.Name(name), cancel);
            return new LedgerPage(await jobs.ReadLedgerAsync(store, defaultZone, job, since, until, now, cancel));
        }).WithSummary("Every planned time of a job with its endings, and what is wrong with it");
}

internal sealed record LedgerPage(IReadOnlyList<LedgerLine> Lines);
