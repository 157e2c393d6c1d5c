using System.ComponentModel;
using System.Text;
using System.Text.Json.Serialization;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Crontab;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Dts.Master.Api;

/// <summary>Sets of jobs: a crontab in, a set as JSON or YAML applied, and all jobs out.</summary>
internal sealed class ImportApi(JobStore jobs, CronZone defaultZone, TimeProvider time)
{
    private const int BytesMax = 32 << 20;

    private static readonly TimeSpan WritesWithin = TimeSpan.FromMinutes(1); // 10,000 jobs.

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly string[] SetTypes =
    [
        "application/json", "application/x-ndjson", "application/jsonl", "application/yaml", "application/x-yaml", "text/yaml",
        "text/plain",
    ];

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapPost("/import", async (
            HttpContext http,
            [Description("user or system (with a user in each line); without it the lines decide")] string? format,
            [Description("The user that the commands run as, for a user's crontab")] string? user,
            [Description("Begins the names of the jobs")] string? prefix,
            [Description("key=value for all jobs; may be given several times")] [FromQuery] string[]? label,
            [Description("true saves the jobs paused")] string? paused,
            [Description("true changes jobs of the same names that differ")] string? replace,
            [Description("true answers what would become of each line, and saves nothing")] string? dryRun,
            CancellationToken cancel) =>
        {
            var options = new ImportOptions(
                FormatOf(format),
                Query.Text("user", user) ?? "",
                Query.Text("prefix", prefix) ?? "",
                Query.Flag("paused", paused),
                LabelsOf(label ?? []));
            var body = await RequestBody.ReadTypedAsync(http, BytesMax, "text/plain");
            http.Features.Get<RequestDeadline>()?.Extend(WritesWithin);
            var content = CrontabReader.Read(TextOf(body), options, defaultZone, cancel);
            var rules = new ApplyRules(
                defaultZone,
                time.GetUtcNow(),
                KeepsOthers: !Query.Flag("replace", replace),
                Rights: CallerRights.RightsOf(Caller.Of(http)));
            return await ImportAsync(content, rules, Query.Flag("dryRun", dryRun), cancel);
        }).RequireRole(Role.Editor).Produces<ImportAnswer>().WithSummary("Imports a crontab, and says line by line what becomes of it");

        v1.MapPost("/apply", async (
            HttpContext http,
            [Description("label:key=value: delete jobs with this label that are not in the set")] string? prune,
            [Description("true keeps members that are not known")] string? lenient,
            [Description("true answers the plan, and changes nothing")] string? dryRun,
            CancellationToken cancel) =>
        {
            var label = Query.Text("prune", prune) is { } text
                ? LabelOf("prune", text, text.StartsWith("label:", StringComparison.Ordinal) ? text["label:".Length..] : "")
                : (KeyValuePair<string, string>?)null;
            var rules = new ApplyRules(
                defaultZone,
                time.GetUtcNow(),
                label,
                IsLenient: Query.Flag("lenient", lenient),
                Rights: CallerRights.RightsOf(Caller.Of(http)));
            var isDryRun = Query.Flag("dryRun", dryRun);
            var body = await RequestBody.ReadTypedAsync(http, BytesMax, SetTypes);
            http.Features.Get<RequestDeadline>()?.Extend(WritesWithin);
            return await ApplyAsync(JobSet.Read(body, http.Request.ContentType ?? ""), rules, isDryRun, cancel);
        }).RequireRole(Role.Editor).Produces<ApplyAnswer>().WithSummary("Makes the jobs those of a set: all of them, or none");

        v1.MapGet("/export", async (
            [Description("json, yaml or crontab; json unless given")] string? format,
            [Description("key=value: only jobs with this label")] string? label,
            HttpContext http,
            CancellationToken cancel) =>
        {
            var caller = Caller.Of(http);
            var wanted = Query.Text("label", label) is { } text ? LabelOf("label", text, text) : (KeyValuePair<string, string>?)null;
            var all = await jobs.ListAsync(cancel);
            return Write(
                all.Where(job => caller.MaySee(job) && (wanted is not { } pair || job.Labels.GetValueOrDefault(pair.Key) == pair.Value))
                    .Select(caller.Show),
                Query.Text("format", format) ?? "json");
        }).RequireRole(Role.Viewer).Produces(StatusCodes.Status200OK, null, "application/json", "application/yaml", "text/plain")
            .WithSummary("Writes all jobs, or those with a label, as JSON, YAML or a crontab");
    }

    private async Task<IResult> ImportAsync(CrontabContent content, ApplyRules rules, bool isDryRun, CancellationToken cancel)
    {
        if (content.Jobs.Count() > JobSet.JobsMax)
        {
            throw Refusal.Invalid($"body has more than {JobSet.JobsMax} jobs; expected at most as many");
        }

        List<ApplyFault> refused = [];
        try
        {
            var made = await RunAsync(MakePlan, [.. content.Jobs.Select(line => line.Job.Name)], isDryRun, cancel);
            return TypedResults.Json(
                ImportAnswer.Of(content, made, refused, isDryRun, defaultZone), ApiJson.Readable.ImportAnswer);
        }
        catch (ApplyInterruptedException interrupted)
        {
            return ApplyProblem.Of(interrupted).Answer();
        }

        // A line that cannot be saved keeps no other back.
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

    private async Task<IResult> ApplyAsync(
        IReadOnlyList<WantedJob> wanted, ApplyRules rules, bool isDryRun, CancellationToken cancel)
    {
        if (wanted.Count is 0 or > JobSet.JobsMax)
        {
            var count = wanted.Count == 0 ? "0" : $"more than {JobSet.JobsMax}";
            throw Refusal.Invalid($"body has {count} jobs; expected 1 to {JobSet.JobsMax}");
        }

        try
        {
            List<string> names = [.. wanted.Select(job => job.Job).OfType<Job>().Select(job => job.Name)];
            var plan = await RunAsync(stored => ApplyPlan.Make(wanted, stored, rules), names, isDryRun, cancel);
            return plan.Faults.Count > 0
                ? ApplyProblem.Of(plan.Faults).Answer()
                : TypedResults.Json(ApplyAnswer.Of(plan, isDryRun), ApiJson.Readable.ApplyAnswer);
        }
        catch (ApplyInterruptedException interrupted)
        {
            return ApplyProblem.Of(interrupted).Answer();
        }
    }

    private async Task<ApplyPlan> RunAsync(
        Func<StoredJobs, ApplyPlan> makePlan, IReadOnlyCollection<string> names, bool isDryRun, CancellationToken cancel) =>
        isDryRun ? makePlan(await jobs.ReadAllAsync(names, cancel)) : await jobs.ApplyAsync(makePlan, cancel, names);

    private static CrontabFormat? FormatOf(string? text) => Query.Text("format", text) switch
    {
        null => null,
        "user" => CrontabFormat.User,
        "system" => CrontabFormat.System,
        var other => throw Refusal.BadQuery("format", other, "user or system"),
    };

    private ContentHttpResult Write(IEnumerable<Job> some, string format) => format switch
    {
        "json" => TypedResults.Text(JobSet.WriteJson(some), "application/json", Encoding.UTF8),
        "yaml" => TypedResults.Text(JobSet.WriteYaml(some), "application/yaml", Encoding.UTF8),
        "crontab" => TypedResults.Text(CrontabWriter.Write(some, defaultZone), "text/plain", Encoding.UTF8),
        _ => throw Refusal.BadQuery("format", format, "json, yaml or crontab"),
    };

    private static KeyValuePair<string, string> LabelOf(string field, string text, string label) =>
        label.IndexOf('=') is > 0 and var at
            ? KeyValuePair.Create(label[..at], label[(at + 1)..])
            : throw Refusal.BadQuery(field, text, field == "prune" ? "label:key=value" : "key=value");

    private static Dictionary<string, string> LabelsOf(string[] given)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in given)
        {
            var (key, value) = LabelOf("label", text, text);
            if (!labels.TryAdd(key, value))
            {
                throw Refusal.BadQuery("label", text, "each key once");
            }
        }

        return labels;
    }

    private static string TextOf(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return StrictUtf8.GetString(utf8.Span);
        }
        catch (DecoderFallbackException)
        {
            throw Refusal.Invalid("body has bytes that are not UTF-8; expected a crontab in UTF-8");
        }
    }
}

/// <summary>What became, or with a dry run would become, of a crontab.</summary>
/// <param name="Notes">What changes in meaning for all jobs.</param>
internal sealed record ImportAnswer(
    bool DryRun,
    CrontabFormat Format,
    int Created,
    int Changed,
    int Unchanged,
    int Refused,
    IReadOnlyList<ImportedLine> Lines,
    IReadOnlyList<string> Notes)
{
    public static ImportAnswer Of(
        CrontabContent content, ApplyPlan plan, IReadOnlyList<ApplyFault> refused, bool isDryRun, CronZone defaultZone)
    {
        var deltas = plan.Deltas.ToDictionary(delta => delta.Name.Value);
        var faults = refused.DistinctBy(fault => fault.Place).ToDictionary(fault => fault.Place, fault => fault.Detail);
        List<ImportedLine> lines = [.. content.Lines.Select(line => ImportedLine.Of(line, deltas, faults, defaultZone))];
        return new ImportAnswer(
            isDryRun,
            content.Format,
            plan.Count(JobChangeKind.Created),
            plan.Count(JobChangeKind.Changed),
            plan.Count(JobChangeKind.Unchanged),
            lines.Count(line => line.Kind == ImportedLineKind.Refused),
            lines,
            content.Notes);
    }
}

[JsonConverter(typeof(CamelCaseEnumConverter<ImportedLineKind>))]
internal enum ImportedLineKind
{
    Job,

    Variable,

    Disabled,

    Refused,
}

/// <summary>A line of a crontab that is neither blank nor an ordinary comment.</summary>
/// <param name="Name">The job's or the variable's.</param>
/// <param name="Words">The job's schedule in words.</param>
/// <param name="Reason">Why the line is refused.</param>
/// <param name="Notes">What changes in meaning.</param>
/// <param name="Members">In what the job differs from the one that was there.</param>
internal sealed record ImportedLine(
    int Line,
    ImportedLineKind Kind,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Name = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JobChangeKind? Change = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Words = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Job? Job = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Notes = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<MemberChange>? Members = null)
{
    public static ImportedLine Of(
        CrontabLine line, Dictionary<string, JobDelta> deltas, Dictionary<string, string> faults, CronZone defaultZone)
    {
        switch (line)
        {
            case CrontabLine.Imported imported when faults.TryGetValue($"line {line.Number}", out var fault):
                return new ImportedLine(line.Number, ImportedLineKind.Refused, imported.Job.Name, Reason: fault);
            case CrontabLine.Imported imported:
                var delta = deltas.GetValueOrDefault(imported.Job.Name) ?? deltas[Nfc.Of(imported.Job.Name)];
                var job = delta.After!;
                var words = JobSchedule.TryParse(job, defaultZone, out var schedule, out _)
                    ? schedule.Expression.Describe(schedule.Zone)
                    : null;
                return new ImportedLine(
                    line.Number,
                    ImportedLineKind.Job,
                    job.Name,
                    delta.Kind,
                    words,
                    Job: job,
                    Notes: [.. imported.Notes, .. delta.Warnings],
                    Members: delta.Kind == JobChangeKind.Changed ? delta.Members : null);
            case CrontabLine.Variable variable:
                return new ImportedLine(line.Number, ImportedLineKind.Variable, Display.Line(variable.Name), Notes: variable.Notes);
            case CrontabLine.Disabled:
                return new ImportedLine(line.Number, ImportedLineKind.Disabled);
            default:
                return new ImportedLine(line.Number, ImportedLineKind.Refused, Reason: ((CrontabLine.Refused)line).Reason);
        }
    }
}

/// <summary>What was, or with a dry run would be, done to make the jobs those of a set.</summary>
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

/// <param name="Members">In what a changed job differs from the former one.</param>
internal sealed record AppliedJob(
    string Name, JobChangeKind Change, IReadOnlyList<MemberChange> Members, IReadOnlyList<string> Warnings);

/// <summary>Why a set was not applied: a problem with what is wrong with each job, or with what was done before it went wrong.</summary>
/// <param name="Applied">Jobs that were written and not put back: also those that another client has changed since.</param>
/// <param name="Undone">Jobs that were written and put back.</param>
/// <param name="Uncertain">Jobs that may have been written or not.</param>
internal sealed record ApplyProblem(
    string Type,
    string Title,
    int Status,
    string Detail,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<ApplyFault>? Faults = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Applied = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Undone = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Uncertain = null)
{
    public static ApplyProblem Of(IReadOnlyList<ApplyFault> faults)
    {
        var first = faults[0];
        var name = first.Name.Length > 0 ? $" \"{Display.Line(first.Name)}\"" : "";
        var more = faults.Count > 1 ? $" (and {faults.Count - 1} more)" : "";
        var status = faults.Any(fault => fault.IsForbidden) ? 403 : 422;
        return Of(status, $"{first.Place}{name}: {first.Detail}{more}; nothing was changed") with { Faults = faults };
    }

    public static ApplyProblem Of(ApplyInterruptedException interrupted) =>
        Of(interrupted.IsConflict ? 409 : 503, interrupted.Message) with
        {
            Applied = interrupted.Applied,
            Undone = interrupted.Undone,
            Uncertain = interrupted.Uncertain,
        };

    public IResult Answer() => TypedResults.Json(this, ApiJson.Readable.ApplyProblem, Problem.ContentType, Status);

    private static ApplyProblem Of(int status, string detail)
    {
        var problem = Problem.Of(status, detail);
        return new ApplyProblem(problem.Type, problem.Title, status, detail);
    }
}
