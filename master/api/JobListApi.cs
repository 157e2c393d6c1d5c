using System.ComponentModel;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Events;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The list of jobs, and the state of the cluster now, from the view.</summary>
internal sealed class JobListApi(ClusterView view, AlertBoard board, TimeProvider time)
{
    private const int LimitMax = 1000;

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/jobs", (
            [Description("Words that must all match, such as state:failing label:team=pay -worker:w1 next:<1h backup")] string? filter,
            [Description("name (default), next, last or state; with '-' before it for the reverse")] string? sort,
            [Description("The most jobs of a page, 1 to 1000; 50 by default")] string? limit,
            string? after,
            HttpContext http) =>
        {
            var now = time.GetUtcNow();
            var order = Query.Text("sort", sort) is not { } word ? JobOrder.Find("name")!
                : JobOrder.Find(word) ?? throw Refusal.BadQuery("sort", word, JobOrder.Expected);
            var cursor = Query.Place(
                after, text => JobCursor.Parse(text, order), "the \"next\" of the page before, in the same order");
            var query = new JobListQuery(
                Caller.Of(http).Scope.Narrow(ReadFilter(filter, now)), order, cursor, Query.Number("limit", limit, 50, 1, LimitMax));
            return view.Ask(state => query.Of(state, now, job => IsMuted(job, now)));
        }).RequireRole(Role.Viewer)
            .WithSummary("The jobs that match a filter: their states, their latest endings, their next plan times");

        v1.MapGet("/now", (HttpContext http) =>
        {
            var (now, caller) = (time.GetUtcNow(), Caller.Of(http));
            Predicate<JobEntry>? sees = caller.Scope.IsEverything ? null : caller.MaySee;
            return view.Ask(state => NowPage.Of(state, now, view.CutOff, sees, job => IsMuted(job, now)));
        }).RequireRole(Role.Viewer)
            .WithSummary("The state of the cluster now: the jobs that need attention and why, the runs in flight, the next plan times");
    }

    private bool IsMuted(JobEntry job, DateTimeOffset now) => board.IsMuted(EventSubject.Of(job), now);

    /// <exception cref="FormatException">The filter cannot be read, or has a word for runs.</exception>
    internal static Filter ReadFilter(string? text, DateTimeOffset now)
    {
        var filter = Filter.Parse(Query.Text("filter", text) ?? "", now);
        filter.ThrowIfNotOfJobs();
        return filter;
    }
}
