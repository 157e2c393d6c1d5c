using System.Text.Json.Serialization;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Crontab;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>The outcome of an import, or with a dry run its plan.</summary>
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
/// <param name="Members">How the job differs from the stored one.</param>
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
