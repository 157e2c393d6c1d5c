using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>Runs: in flight and in the queue, and the log with its search, statistics and single records.</summary>
internal sealed class LogApi(RunList runs, ILogReader store, TimeProvider time)
{
    private const int LimitMax = 1000;
    private const int DaysByDefault = 30;

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/runs", async (CancellationToken cancel) => new RunsInSight(await runs.ListAsync(cancel)))
            .WithSummary("The runs in flight and in the queue");

        v1.MapGet("/log", (
            string? job, string? status, string? worker, string? trigger, string? from, string? to, string? text, string? after,
            string? limit, CancellationToken cancel) => store.SearchAsync(
                new LogQuery(
                    Job: Query.Text("job", job),
                    Status: Query.Text("status", status) is { } word ? ParseStatus(word) : null,
                    Worker: Query.Text("worker", worker),
                    Trigger: Query.Text("trigger", trigger),
                    From: Query.Moment("from", from),
                    Until: Query.Moment("to", to),
                    Text: Query.Text("text", text),
                    After: Query.Text("after", after) is { } place
                        ? LogCursor.Parse(place) ?? throw Refusal.BadQuery("after", place, "the \"next\" of the page before")
                        : null,
                    Limit: Query.Number("limit", limit, 50, 1, LimitMax)),
                cancel))
            .WithSummary("A page of the log, latest start first");

        v1.MapGet("/jobs/{name}/stats", (string name, string? days, CancellationToken cancel) =>
        {
            var back = Query.Number("days", days, DaysByDefault, 1, 3660);
            var from = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1 - back);
            return JobStats.ReadAsync(store, Query.Name(name), from, cancel);
        }).WithSummary("What the runs of a job came to, day by day");

        v1.MapGet("/runs/{job}/{runId}", async (string job, string runId, CancellationToken cancel) =>
            await store.FindAsync($"{Query.Name(job)}/{Query.RunId(runId)}", cancel)
                ?? throw Refusal.NotFound($"run {Display.Line($"{job}/{runId}")} has no record"))
            .WithSummary("The record of a run");
    }

    private static RunStatus ParseStatus(string word)
    {
        var all = Enum.GetValues<RunStatus>();
        return all.Any(status => status.Word() == word)
            ? all.First(status => status.Word() == word)
            : throw Refusal.BadQuery("status", word, $"one of {string.Join(", ", all.Select(status => status.Word()))}");
    }
}

internal sealed record RunsInSight(IReadOnlyList<RunInSight> Runs);
