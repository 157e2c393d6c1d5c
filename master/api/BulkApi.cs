using System.ComponentModel;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>One act on all jobs that match a filter.</summary>
internal sealed class BulkApi(ClusterView view, JobStore jobs, TimeProvider time)
{
    private const int JobsMax = 1000;
    private const int AtOnce = 8;
    internal const string Which = "Which jobs: words that must all match, such as label:team=pay state:failing. Required";
    internal const string Dry = "true = the answer says what would be done, and nothing is done";

    // Before the request's own deadline, so that the answer says what was done.
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(5);

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapPost("/jobs/pause", ([Description(Which)] string? filter, [Description(Dry)] string? dryRun, CancellationToken cancel) =>
            PerformAsync(
                filter, dryRun, "paused", async (name, stop) => Must(name, (await jobs.EnableAsync(name, false, stop))?.Next), cancel))
            .WithSummary("Pauses all jobs that match a filter");

        v1.MapPost("/jobs/resume", ([Description(Which)] string? filter, [Description(Dry)] string? dryRun, CancellationToken cancel) =>
            PerformAsync(
                filter, dryRun, "resumed", async (name, stop) => Must(name, (await jobs.EnableAsync(name, true, stop))?.Next), cancel))
            .WithSummary("Resumes all jobs that match a filter");

        v1.MapPost("/jobs/run", ([Description(Which)] string? filter, [Description(Dry)] string? dryRun, CancellationToken cancel) =>
            PerformAsync(
                filter, dryRun, "asked to run", async (name, stop) => Must(name, await jobs.RunAsync(name, "", null, stop)), cancel))
            .WithSummary("Runs all jobs that match a filter now");

        v1.MapPost("/jobs/kill", ([Description(Which)] string? filter, [Description(Dry)] string? dryRun, CancellationToken cancel) =>
            PerformAsync(filter, dryRun, "asked to end", async (name, stop) =>
            {
                await jobs.KillAsync(name, KillRequest.All, stop);
                return null;
            }, cancel))
            .WithSummary("Ends the runs of all jobs that match a filter");

        v1.MapPost("/jobs/delete", ([Description(Which)] string? filter, [Description(Dry)] string? dryRun, CancellationToken cancel) =>
            PerformAsync(filter, dryRun, "deleted", async (name, stop) =>
            {
                await jobs.DeleteAsync(name, stop);
                return null;
            }, cancel))
            .WithSummary("Deletes all jobs that match a filter");
    }

    /// <param name="done">What becomes of each job, in words.</param>
    /// <param name="act">Returns the id of the run that it asked for, if it asked for one.</param>
    private async Task<BulkAnswer> PerformAsync(
        string? filter, string? dryRun, string done, Func<JobName, CancellationToken, Task<string?>> act, CancellationToken cancel)
    {
        var (names, isDry) = (FindNames(filter), Query.Flag("dryRun", dryRun));
        if (isDry)
        {
            return new BulkAnswer(DryRun: true, [.. names.Select(name => new BulkRow(name, $"would be {done}"))]);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(Within);
        var rows = new BulkRow[names.Count];
        await Parallel.ForAsync(0, names.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) =>
            rows[i] = await TryAsync(JobName.Parse(names[i]), done, act, stop.Token));
        cancel.ThrowIfCancellationRequested();
        return new BulkAnswer(DryRun: false, rows);
    }

    private List<string> FindNames(string? text)
    {
        var now = time.GetUtcNow();
        var filter = JobListApi.ReadFilter(text, now);
        if (filter.IsEverything)
        {
            throw Refusal.BadQuery("filter", text ?? "", "words that say which jobs are meant, such as label:team=pay");
        }

        var names = view.Ask(state => state.Jobs.Sorted.Where(job => filter.Matches(job, state, now)).Select(job => job.Name).ToList());
        return names.Count <= JobsMax
            ? names
            : throw Refusal.BadQuery("filter", text!, $"a filter that at most {JobsMax} jobs match; {names.Count} match this one");
    }

    private static async Task<BulkRow> TryAsync(
        JobName name, string done, Func<JobName, CancellationToken, Task<string?>> act, CancellationToken stop)
    {
        try
        {
            stop.ThrowIfCancellationRequested();
            return new BulkRow(name.Value, done, await act(name, stop));
        }
        catch (Exception failure) when (failure is EtcdException or FormatException or Refusal)
        {
            return new BulkRow(name.Value, $"not {done}", Error: failure.Message);
        }
        catch (OperationCanceledException)
        {
            const string late = "etcd did not answer in time; look at the job before you repeat the call";
            return new BulkRow(name.Value, $"not {done}", Error: late);
        }
    }

    private static string? Must(JobName name, Job? job) => job is not null
        ? null
        : throw Refusal.NotFound($"name \"{name.Value}\" is no job that can be read; it is damaged, or was deleted meanwhile");

    private static string Must(JobName name, string? runId) =>
        runId ?? throw Refusal.NotFound($"name \"{name.Value}\" is no job; it was deleted meanwhile");
}

internal sealed record BulkAnswer(bool DryRun, IReadOnlyList<BulkRow> Jobs);

/// <summary>What became of one job.</summary>
/// <param name="Outcome">Such as paused, would be paused, or not paused.</param>
/// <param name="RunId">The run that was asked for.</param>
/// <param name="Error">Why it was not done.</param>
internal sealed record BulkRow(string Name, string Outcome, string? RunId = null, string? Error = null);
