using System.ComponentModel;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>The list of runs with its search and counts, and one run in any state.</summary>
internal sealed class RunsApi(
    ClusterView view, VisibleJobs visible, RunReader runs, JobStore jobs, ILogReader store, TimeProvider time)
{
    private const int LimitByDefault = 50;
    private const int LimitMax = 1000;
    private const int SearchedMax = 2000;
    private const int KillBytesMax = 64 << 10;

    private static readonly Dictionary<string, (TimeSpan Step, TimeSpan Span)> Steps = new()
    {
        ["minute"] = (TimeSpan.FromMinutes(1), TimeSpan.FromHours(3)),
        ["quarter"] = (TimeSpan.FromMinutes(15), TimeSpan.FromDays(1)),
        ["hour"] = (TimeSpan.FromHours(1), TimeSpan.FromDays(7)),
        ["day"] = (TimeSpan.FromDays(1), TimeSpan.FromDays(30)),
    };

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/runs", ListAsync).RequireRole(Role.Viewer).WithSummary("A page of runs, the latest start first");
        v1.MapGet("/runs/{job}/{runId}", FindAsync).RequireRole(Role.Viewer)
            .WithSummary("One run in any state: its timeline, its attempts, its cause and the runs that it triggered");
        v1.MapPost("/runs/{job}/{runId}/kill", KillAsync).RequireRole(Role.Operator)
            .WithSummary("Ends one run, in flight or in the queue; its record keeps the reason");
    }

    private async Task<RunsPage> ListAsync(
        [Description("Which runs: ending:failed|lost label:team=pay -worker:w1 trigger:manual from:2d \"part of command or error\"; "
            + "state:running|queued for those that have not ended")]
        string? filter,
        [Description("Started at this time or later")] string? from,
        [Description("Started before this time")] string? to,
        [Description("How many runs, 0 to 1000; 50 unless given")] string? limit,
        string? after,
        [Description("true: with the outputs of the runs")] string? output,
        [Description("minute, quarter, hour or day: also count the runs of the span by ending")] string? counts,
        HttpContext http,
        CancellationToken cancel)
    {
        var (now, caller) = (time.GetUtcNow(), Caller.Of(http));
        var asked = Filter.Parse(filter ?? "", now);
        var runFilter = new RunFilter(asked, now);
        var rows = Query.Number("limit", limit, LimitByDefault, runFilter.IsUnended ? 1 : 0, LimitMax);
        if (runFilter.IsUnended)
        {
            RefuseOfEnded(("from", from), ("to", to), ("counts", counts), ("output", output));
            return ListUnended(caller, runFilter, Query.Place(after, UnendedCursor.Parse), rows, now);
        }

        var visibleRuns = await LimitAsync(caller, asked, runFilter.ToLogQuery(Query.Place(after, LogCursor.Parse), rows, view), cancel);
        var query = visibleRuns.Within(Query.Moment("from", from), Query.Moment("to", to)) with { Output = Query.Flag("output", output) };
        var counted = await CountAsync(query with { After = null }, Query.Text("counts", counts), now, cancel);
        var page = rows > 0 ? await SearchAsync(query, cancel) : new LogPage([], null);
        var records = page.Records.Select(record => visible.Show(caller, record)).ToList();
        return new RunsPage([], records, page.Next, counted, page.SearchedTo?.UtcDateTime);
    }

    private async Task<RunView> FindAsync(
        string job, string runId, [Description("true: with the output")] string? output, HttpContext http, CancellationToken cancel)
    {
        var name = await jobs.ResolveAsync(Query.Name(job), cancel);
        var found = await runs.FindAsync(name, Query.RunId(runId), Query.Flag("output", output), cancel);
        return Show(found ?? throw NotKnown(name, runId), Caller.Of(http));
    }

    private async Task<Accepted<KillEffect>> KillAsync(string job, string runId, HttpContext http, CancellationToken cancel)
    {
        var request = KillBody.Read(await RequestBody.ReadTypedAsync(http, KillBytesMax, "application/json"), runId);
        if (request.RunId != runId)
        {
            throw Refusal.Invalid("runId", request.RunId, "no runId, or that of the path");
        }

        var name = await jobs.ResolveAsync(Query.Name(job), cancel);
        if (await jobs.Runs.KillAsync(name, request, cancel, mustExist: true) is { } effect)
        {
            return TypedResults.Accepted((string?)null, effect);
        }

        throw await runs.FindAsync(name, runId, withOutput: false, cancel) is { Ending: { } ending }
            ? Refusal.Conflict($"run {Display.Line(runId)} of job {Display.Line(name)} has ended: {ending.Word()}")
            : NotKnown(name, runId);
    }

    /// <summary>Limits a query to jobs that the caller may see; of deleted jobs, to those that the filter names.</summary>
    private async Task<LogQuery> LimitAsync(Caller caller, Filter asked, LogQuery query, CancellationToken cancel)
    {
        var named = asked.Terms.OfType<FilterTerm.Job>().Where(term => !term.IsNegated).SelectMany(term => term.Names);
        return caller.Scope.IsEverything ? query : query.And(LogField.Job, await visible.ListAsync(caller, named, cancel));
    }

    /// <summary>
    /// Limits the records that one page reads. A search with few matches would read the whole log. Its page ends early instead, and says
    /// how far it reached.
    /// </summary>
    private async Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel)
    {
        if (!query.ReadsRecords || await store.FindStartAsync(query, SearchedMax, cancel) is not { } end)
        {
            return await store.SearchAsync(query, cancel);
        }

        var page = await store.SearchAsync(query with { From = end }, cancel);
        return page.Next is null ? page with { Next = LogCursor.Before(end).ToString(), SearchedTo = end } : page;
    }

    /// <summary>Removes links to runs of jobs that the caller may not see, and the names of these jobs.</summary>
    private RunView Show(RunView run, Caller caller)
    {
        return caller.Scope.IsEverything ? run : run with
        {
            Cause = run.Cause is { } cause && MaySee(cause) ? cause : null,
            Triggered = [.. run.Triggered.Where(MaySee)],
            Record = run.Record is { } record ? visible.Show(caller, record) : null,
        };

        bool MaySee(RunLink link) => link.JobName == run.JobName || visible.Includes(caller, link.JobName);
    }

    private static Refusal NotKnown(JobName job, string runId) => Refusal.NotFound(
        $"run {Display.Line(runId)} of job {Display.Line(job)} is not known: neither in flight, nor queued, nor in the log");

    private static void RefuseOfEnded(params (string Field, string? Text)[] parameters)
    {
        foreach (var (field, text) in parameters)
        {
            if (Query.Text(field, text) is { } given)
            {
                throw Refusal.BadQuery(field, given, "none beside state:running or state:queued, which ask for runs that have not ended");
            }
        }
    }

    private RunsPage ListUnended(Caller caller, RunFilter filter, UnendedCursor? after, int limit, DateTimeOffset now)
    {
        var found = view.Ask(state => state.Runs.List()
                .Where(run => caller.Scope.IsEverything || state.Jobs.Find(run.JobName) is { } job && caller.MaySee(job))
                .Select(run => run.At(now))
                .Where(run => filter.Matches(run, state))
                .ToList())
            .Where(run => after is not { } end || UnendedCursor.Of(run).CompareTo(end) > 0)
            .OrderBy(UnendedCursor.Of)
            .Take(limit + 1)
            .ToList();
        var page = found.Take(limit).Select(run => run with { Cause = visible.ShowCause(caller, run.JobName, run.Cause) }).ToList();
        return new RunsPage(page, [], found.Count > limit ? UnendedCursor.Of(page[^1]).ToString() : null, null);
    }

    private async Task<RunCounts?> CountAsync(LogQuery query, string? word, DateTimeOffset now, CancellationToken cancel)
    {
        if (word is null)
        {
            return null;
        }

        var (step, usual) = Query.OneOf("counts", word, Steps);
        var until = query.Until ?? now;
        var from = query.From ?? until - usual;
        return (until - from) / step <= RunCounts.TimesMax
            ? await RunCounts.ReadAsync(store, query, from, until, step, cancel)
            : throw Refusal.BadQuery("counts", word, $"a span, from to to, of at most {RunCounts.TimesMax} times");
    }
}

/// <param name="Unended">Runs that have not ended, if the filter asks for them: those in flight first.</param>
/// <param name="Runs">The records of ended runs, the latest start first; without outputs unless they are asked for.</param>
/// <param name="Next">The next page begins here; null = this is the last page.</param>
/// <param name="Counts">Null = they were not asked for.</param>
/// <param name="SearchedTo">The page ended early, and covers starts down to this time. Null = it is complete.</param>
internal sealed record RunsPage(
    IReadOnlyList<UnendedRun> Unended, IReadOnlyList<RunRecord> Runs, string? Next, RunCounts? Counts, DateTime? SearchedTo = null);
