using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>One job of the caller's set, or its fault.</summary>
/// <param name="Place">Its place in the set, such as "job 3".</param>
/// <param name="Fault">Empty = the job could be read.</param>
/// <param name="Members">The job as the caller wrote it; null = it was not JSON.</param>
internal sealed record WantedJob(string Place, Job? Job, string Fault = "", JsonObject? Members = null);

/// <summary>All jobs at one revision of etcd, by the name in their keys.</summary>
/// <param name="Jobs">Null = the value cannot be read.</param>
internal sealed record StoredJobs(IReadOnlyDictionary<string, (Job? Job, long Revision)> Jobs, long Revision)
{
    /// <summary>Jobs that this apply has written and another client has changed since. They stay as they are.</summary>
    public IReadOnlySet<string> Kept { get; init; } = new HashSet<string>();

    /// <summary>Free names that the caller may not take, because they belonged to jobs that the caller may not see.</summary>
    public IReadOnlySet<string> Foreign { get; init; } = new HashSet<string>();

    /// <inheritdoc cref="JobStore.ExpectedChannel"/>
    public Func<string, string?> ExpectedChannel { get; init; } = _ => null;
}

/// <summary>A job that prevents the set from being applied.</summary>
/// <param name="Place">Its place in the set.</param>
internal sealed record ApplyFault(string Place, string Name, string Detail)
{
    /// <summary>The caller may not make this change.</summary>
    [JsonIgnore]
    public bool IsForbidden { get; init; }
}

/// <summary>The options of an apply.</summary>
/// <param name="Prune">Jobs with this label that are not in the set are deleted; null = none.</param>
/// <param name="KeepsOthers">A stored job that differs from the set's is a fault; otherwise it is changed.</param>
/// <param name="IsLenient">Unknown members are kept, with a warning.</param>
/// <param name="Rights">What the caller may change; null = everything.</param>
internal sealed record ApplyRules(
    CronZone DefaultZone,
    DateTimeOffset Now,
    KeyValuePair<string, string>? Prune = null,
    bool KeepsOthers = false,
    bool IsLenient = false,
    JobRights? Rights = null);

/// <summary>The changes that make the stored jobs those of a set: a delta for each job, or the set's faults.</summary>
/// <remarks>
/// Pure. Each job is checked against the state that results, so the order in the set does not matter. With faults, nothing may be applied.
/// </remarks>
internal sealed record ApplyPlan(IReadOnlyList<JobDelta> Deltas, IReadOnlyList<ApplyFault> Faults)
{
    public static ApplyPlan Make(IReadOnlyList<WantedJob> wanted, StoredJobs stored, ApplyRules rules)
    {
        List<ApplyFault> faults = [];
        Dictionary<string, (JobDelta Delta, string Place)> deltas = [];
        foreach (var (place, job, fault, members) in wanted)
        {
            if (job is null)
            {
                faults.Add(new ApplyFault(place, "", fault));
                continue;
            }

            var delta = DeltaOf(job, members, stored);
            if (FindForbidden(delta, stored, wanted, rules.Rights) is { } no)
            {
                faults.Add(new ApplyFault(place, delta.After!.Name, no) { IsForbidden = true });
            }
            else if (!stored.Kept.Contains(delta.Name) && FindFault(delta, stored, rules) is { } wrong)
            {
                faults.Add(new ApplyFault(place, delta.After!.Name, wrong));
            }
            else if (!deltas.TryAdd(delta.Name, (delta, place)))
            {
                var twice = $"name \"{Display.Line(delta.Name)}\" is also the name of {deltas[delta.Name].Place}; expected each job once";
                faults.Add(new ApplyFault(place, delta.Name, twice));
            }
        }

        List<JobDelta> all =
        [
            .. deltas.Values.Select(entry => entry.Delta)
                .Concat(Pruned(stored, rules, deltas.ContainsKey))
                .Where(delta => !stored.Kept.Contains(delta.Name)),
        ];
        faults.AddRange(FindCycles(all, stored, rules.Rights).Select(cycle =>
            new ApplyFault(deltas[cycle.Name].Place, cycle.Name, cycle.Detail)));
        return new ApplyPlan(all, faults);
    }

    public int Count(JobChangeKind kind) => Deltas.Count(delta => delta.Kind == kind);

    /// <summary>Why the caller may not make a change; null = they may.</summary>
    private static string? FindForbidden(JobDelta delta, StoredJobs stored, IReadOnlyList<WantedJob> wanted, JobRights? rights)
    {
        if (rights is null || delta.Kind == JobChangeKind.Unchanged)
        {
            return rights?.MaySee(delta.After) != false ? null
                : $"name \"{Display.Line(delta.Name.Value)}\" is not a job within the filter that limits you";
        }

        if (rights.FindFault(delta.Name, delta.Revision > 0, delta.Before, delta.After) is { } fault)
        {
            return fault.Message;
        }

        if (stored.Foreign.Contains(delta.Name))
        {
            return JobRights.NoSuchJob(delta.Name).Message;
        }

        return rights.DependentsToJudge(delta.Before, delta.After).FirstOrDefault(name => !rights.MaySee(
            stored.Jobs.GetValueOrDefault(name).Job ?? wanted.FirstOrDefault(other => other.Job?.Name == name)?.Job)) is { } foreign
                ? JobRights.ForeignDependent(foreign).Message
                : null;
    }

    private static IEnumerable<JobDelta> Pruned(StoredJobs stored, ApplyRules rules, Predicate<string> isWanted) =>
        stored.Jobs
            .Where(pair => rules.Prune is { } label
                && rules.Rights?.MaySee(pair.Value.Job) != false
                && pair.Value.Job?.Labels.GetValueOrDefault(label.Key) == label.Value
                && !isWanted(pair.Key))
            .Select(pair => new JobDelta(JobName.Parse(pair.Key), pair.Value.Job, null, pair.Value.Revision, []));

    private static JobDelta DeltaOf(Job job, JsonObject? members, StoredJobs stored)
    {
        List<string> warnings = [];
        var after = SaveRules.WithUnixLines(SaveRules.WithNames(job, name => StoredName(name, stored), warnings), warnings);
        var (before, revision) = stored.Jobs.GetValueOrDefault(after.Name);
        var key = JobName.TryParse(after.Name, out var parsed, out _) ? parsed : default;
        var unknown = members is null ? [] : JobMembers.FindUnknown(members, before);
        warnings.AddRange(unknown.Select(member =>
            $"{member}; it {(member.Part.Length == 0 ? "is kept and has no effect" : "was left out")}"));
        var changes = revision == 0 ? [] : JobDiff.Between(before, after); // All of a new job is new.
        return new JobDelta(key, before, after, revision, changes) { Warnings = warnings, Unknown = unknown };
    }

    /// <summary>The name that a job is stored under: composed (NFC), unless an older version or etcdctl stored this very name.</summary>
    public static string StoredName(string name, StoredJobs stored) =>
        JobName.TryParse(name, out _, out _) && !stored.Jobs.ContainsKey(name) ? Nfc.Of(name) : name;

    private static string? FindFault(JobDelta delta, StoredJobs stored, ApplyRules rules)
    {
        var job = delta.After ?? throw new UnreachableException();
        if (delta.Unknown.Count > 0 && !rules.IsLenient)
        {
            return $"{string.Join("; ", delta.Unknown)}; ?lenient=true keeps it";
        }

        if (delta.Kind == JobChangeKind.Unchanged)
        {
            return null;
        }

        if (rules.KeepsOthers && delta.Kind == JobChangeKind.Changed)
        {
            var members = string.Join(", ", delta.Members.Select(change => change.Member));
            return $"name \"{Display.Line(job.Name)}\" is a job that differs in {Display.Line(members)}; expected a new name: "
                + "import with ?replace=true to change the job, or with ?prefix= for names of its own";
        }

        return SaveRules.FindFault(job, rules.DefaultZone)
            ?? SaveRules.FindOver(delta.Before, job, rules.DefaultZone, rules.Now)
            ?? SaveRules.FindUnknownChannel(delta.Before, job, stored.ExpectedChannel)
            ?? SaveRules.FindHidden(delta.Before, job);
    }

    /// <summary>The jobs of the set whose dependents would lead back to them after the apply.</summary>
    private static IEnumerable<(string Name, string Detail)> FindCycles(
        List<JobDelta> deltas, StoredJobs stored, JobRights? rights)
    {
        if (!deltas.Exists(delta => delta.After?.Dependents.Any() == true))
        {
            return [];
        }

        var jobs = stored.Jobs.Where(pair => pair.Value.Job is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Job!);
        foreach (var delta in deltas)
        {
            if (delta.After is null)
            {
                jobs.Remove(delta.Name);
            }
            else
            {
                jobs[delta.Name] = delta.After;
            }
        }

        var details = JobCycles.Find(jobs)
            .Select(cycle => (cycle.Names, Detail: cycle.Explain(NameOf)))
            .SelectMany(cycle => cycle.Names.Select(name => KeyValuePair.Create(name, cycle.Detail)))
            .ToDictionary();
        return deltas
            .Where(delta => delta.After is not null && delta.Kind != JobChangeKind.Unchanged && details.ContainsKey(delta.Name))
            .Select(delta => (delta.Name.Value, details[delta.Name]));

        string NameOf(string name) => rights?.NameOf(name, jobs.GetValueOrDefault(name)) ?? name;
    }
}
