using System.ComponentModel;
using System.Text;
using Dts.Common.Cron;
using Dts.Master.Access;
using Dts.Master.Crontab;
using Dts.Master.Jobs;
using Microsoft.AspNetCore.Mvc;

namespace Dts.Master.Api;

/// <summary>Imports a crontab.</summary>
internal sealed class ImportApi(JobSets sets, CronZone defaultZone, TimeProvider time)
{
    public void Map(RouteGroupBuilder v1) => v1.MapPost("/import", async (
        HttpContext http,
        [Description("user or system (with a user in each line); without it the lines decide")] string? format,
        [Description("The user that the commands run as, for a user's crontab")] string? user,
        [Description("The beginning of the jobs' names")] string? prefix,
        [Description("key=value for all jobs; may be given several times")] [FromQuery] string[]? label,
        [Description("true saves the jobs paused")] string? paused,
        [Description("true changes jobs of the same names that differ")] string? replace,
        [Description("true returns the outcome of each line, and saves nothing")] string? dryRun,
        CancellationToken cancel) =>
    {
        var options = new ImportOptions(
            FormatOf(format),
            Query.Text("user", user) ?? "",
            Query.Text("prefix", prefix) ?? "",
            Query.Flag("paused", paused),
            LabelsOf(label ?? []));
        var body = await RequestBody.ReadTypedAsync(http, ApplyApi.BytesMax, "text/plain");
        http.Features.Get<RequestDeadline>()?.Extend(ApplyApi.WritesWithin);
        var content = CrontabReader.Read(Encoding.UTF8.GetString(body.Span), options, defaultZone, cancel);
        var rules = new ApplyRules(
            defaultZone,
            time.GetUtcNow(),
            KeepsOthers: !Query.Flag("replace", replace),
            Rights: CallerRights.RightsOf(Caller.Of(http)));
        return await ImportAsync(content, rules, Query.Flag("dryRun", dryRun), cancel);
    }).RequireRole(Role.Editor).WithSummary("Imports a crontab; the answer has the outcome of each line");

    private async Task<ImportAnswer> ImportAsync(CrontabContent content, ApplyRules rules, bool isDryRun, CancellationToken cancel)
    {
        if (content.Jobs.Count() > JobSet.JobsMax)
        {
            throw Refusal.Invalid($"body has more than {JobSet.JobsMax} jobs; expected at most as many");
        }

        List<ApplyFault> refused = [];
        var made = await sets.ApplyAsync(MakePlan, cancel, [.. content.Jobs.Select(line => line.Job.Name)], isDryRun);
        return ImportAnswer.Of(content, made, refused, isDryRun, defaultZone);

        // A line that cannot be saved does not block the others.
        ApplyPlan MakePlan(StoredJobs stored)
        {
            refused.Clear();
            List<WantedJob> wanted = [.. content.Jobs.Select(line => new WantedJob($"line {line.Number}", line.Job))];
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                var plan = ApplyPlan.Make(wanted, stored, rules);
                if (plan.Faults.Count == 0)
                {
                    return plan;
                }

                refused.AddRange(plan.Faults);
                var places = plan.Faults.Select(fault => fault.Place).ToHashSet();
                wanted.RemoveAll(job => places.Contains(job.Place));
            }
        }
    }

    private static CrontabFormat? FormatOf(string? text) => Query.Text("format", text) switch
    {
        null => null,
        "user" => CrontabFormat.User,
        "system" => CrontabFormat.System,
        var other => throw Refusal.BadQuery("format", other, "user or system"),
    };

    private static Dictionary<string, string> LabelsOf(string[] given)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in given)
        {
            var (key, value) = Query.Label("label", text);
            if (!labels.TryAdd(key, value))
            {
                throw Refusal.BadQuery("label", text, "each key once");
            }
        }

        return labels;
    }
}
