using System.ComponentModel;
using System.Text;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Crontab;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>Applies a set of jobs as JSON or YAML, and exports all jobs as such a set or as a crontab.</summary>
internal sealed class ApplyApi(JobStore jobs, JobSets sets, CronZone defaultZone, TimeProvider time)
{
    public const int BytesMax = 32 << 20;

    public static readonly TimeSpan WritesWithin = TimeSpan.FromMinutes(1); // 10,000 jobs.

    private static readonly string[] SetTypes =
    [
        "application/json", "application/x-ndjson", "application/jsonl", "application/yaml", "application/x-yaml", "text/yaml",
        "text/plain",
    ];

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapPost("/apply", async (
            HttpContext http,
            [Description("label:key=value: delete jobs with this label that are not in the set")] string? prune,
            string? lenient,
            [Description("true returns the plan, and changes nothing")] string? dryRun,
            CancellationToken cancel) =>
        {
            var rules = new ApplyRules(
                defaultZone,
                time.GetUtcNow(),
                Query.Text("prune", prune) is { } label ? Query.Label("prune", label, "label:") : null,
                IsLenient: Query.Flag("lenient", lenient),
                Rights: CallerRights.RightsOf(Caller.Of(http)));
            var isDryRun = Query.Flag("dryRun", dryRun);
            var body = await RequestBody.ReadTypedAsync(http, BytesMax, SetTypes);
            http.Features.Get<RequestDeadline>()?.Extend(WritesWithin);
            var wanted = JobSet.Read(body, http.Request.ContentType ?? "");
            return await ApplyAsync(wanted, rules, isDryRun, cancel);
        }).RequireRole(Role.Editor).WithSummary("Applies a set of jobs: all of it, or nothing");

        v1.MapGet("/export", async (
            [Description("json, yaml or crontab; json unless given")] string? format,
            [Description("key=value: only jobs with this label")] string? label,
            HttpContext http,
            CancellationToken cancel) =>
        {
            var caller = Caller.Of(http);
            var wanted = Query.Text("label", label) is { } text ? Query.Label("label", text) : (KeyValuePair<string, string>?)null;
            var all = await jobs.ListAsync(cancel);
            return Write(
                all.Where(job => caller.MaySee(job) && (wanted is not { } pair || job.Labels.GetValueOrDefault(pair.Key) == pair.Value))
                    .Select(caller.Show),
                Query.Text("format", format) ?? "json");
        }).RequireRole(Role.Viewer).Produces(StatusCodes.Status200OK, null, "application/json", "application/yaml", "text/plain")
            .WithSummary("Writes all jobs, or those with a label, as JSON, YAML or a crontab");
    }

    private async Task<ApplyAnswer> ApplyAsync(
        IReadOnlyList<WantedJob> wanted, ApplyRules rules, bool isDryRun, CancellationToken cancel)
    {
        if (wanted.Count is 0 or > JobSet.JobsMax)
        {
            var count = wanted.Count == 0 ? "0" : $"more than {JobSet.JobsMax}";
            throw Refusal.Invalid($"body has {count} jobs; expected 1 to {JobSet.JobsMax}");
        }

        List<string> names = [.. wanted.Select(job => job.Job).OfType<Job>().Select(job => job.Name)];
        var plan = await sets.ApplyAsync(stored => ApplyPlan.Make(wanted, stored, rules), cancel, names, isDryRun);
        return plan.Faults.Count == 0 ? ApplyAnswer.Of(plan, isDryRun) : throw new Refusal(ProblemOf(plan.Faults));
    }

    private static Problem ProblemOf(IReadOnlyList<ApplyFault> faults)
    {
        var first = faults[0];
        var name = first.Name.Length > 0 ? $" \"{Display.Line(first.Name)}\"" : "";
        var more = faults.Count > 1 ? $" (and {faults.Count - 1} more)" : "";
        var status = faults.Any(fault => fault.IsForbidden) ? 403 : 422;
        return Problem.Of(status, $"{first.Place}{name}: {first.Detail}{more}; nothing was changed") with { Faults = faults };
    }

    private ContentHttpResult Write(IEnumerable<Job> some, string format) => format switch
    {
        "json" => TypedResults.Text(JobSet.WriteJson(some), "application/json", Encoding.UTF8),
        "yaml" => TypedResults.Text(JobSet.WriteYaml(some), "application/yaml", Encoding.UTF8),
        "crontab" => TypedResults.Text(CrontabWriter.Write(some, defaultZone), "text/plain", Encoding.UTF8),
        _ => throw Refusal.BadQuery("format", format, "json, yaml or crontab"),
    };
}

/// <summary>The changes that made the jobs those of a set, or with a dry run the plan.</summary>
internal sealed record ApplyAnswer(bool DryRun, int Created, int Changed, int Unchanged, int Deleted, IReadOnlyList<AppliedJob> Jobs)
{
    public static ApplyAnswer Of(ApplyPlan plan, bool isDryRun) => new(
        isDryRun,
        plan.Count(JobChangeKind.Created),
        plan.Count(JobChangeKind.Changed),
        plan.Count(JobChangeKind.Unchanged),
        plan.Count(JobChangeKind.Deleted),
        [.. plan.Deltas.Select(delta => new AppliedJob(
            delta.Name, delta.Kind, delta.Kind == JobChangeKind.Changed ? delta.Members : [], delta.Warnings))]);
}

/// <param name="Members">How a changed job differs from the former one.</param>
internal sealed record AppliedJob(
    string Name, JobChangeKind Change, IReadOnlyList<MemberChange> Members, IReadOnlyList<string> Warnings);
