using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>A job that a caller wants to be there, or what is wrong with it.</summary>
/// <param name="Place">Where in the caller's set it stands, such as "job 3".</param>
/// <param name="Fault">Empty = the job could be read.</param>
/// <param name="Members">The job as the caller wrote it; null = it was not JSON.</param>
internal sealed record WantedJob(string Place, Job? Job, string Fault = "", JsonObject? Members = null);

/// <summary>All jobs at one revision of etcd, by the name in their keys.</summary>
/// <param name="Jobs">A job is null where a value is there that cannot be read.</param>
internal sealed record StoredJobs(IReadOnlyDictionary<string, (Job? Job, long Revision)> Jobs, long Revision)
{
    /// <summary>Jobs that the apply has written and another client has changed since. They stay as they are.</summary>
    public IReadOnlySet<string> Kept { get; init; } = new HashSet<string>();

    /// <summary>Free names that the caller may not take: they were names of jobs that the caller may not see.</summary>
    public IReadOnlySet<string> Foreign { get; init; } = new HashSet<string>();
}

/// <summary>What becomes of one job.</summary>
/// <param name="Revision">The revision of the job that the delta starts from; 0 = there is none.</param>
internal sealed record JobDelta(JobName Name, Job? Before, Job? After, long Revision, IReadOnlyList<MemberChange> Members)
{
    /// <summary>What changes in the text by the save itself, such as line ends.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    public IReadOnlyList<UnknownMember> Unknown { get; init; } = [];

    public JobChangeKind Kind => After is null ? JobChangeKind.Deleted
        : Revision == 0 ? JobChangeKind.Created
        : Members.Count > 0 ? JobChangeKind.Changed
        : JobChangeKind.Unchanged;

    /// <summary>The way back, from the revision that this delta was written with.</summary>
    public JobDelta Undo(long revision) =>
        new(Name, After, Before, After is null ? 0 : revision, JobDiff.Between(After, Before));

    /// <summary>This change and an earlier one of the same job as one.</summary>
    public JobDelta Following(JobDelta earlier) => this with
    {
        Before = earlier.Before,
        Revision = earlier.Revision,
        Members = earlier.Revision == 0 ? [] : JobDiff.Between(earlier.Before, After),
    };

    public JobDelta ChangedByOthers() => this with
    {
        Warnings = [.. Warnings, "another client has changed the job since it was written here; that change stands"],
    };
}

/// <summary>A job that keeps a set from being applied.</summary>
/// <param name="Place">Where in the set it stands.</param>
internal sealed record ApplyFault(string Place, string Name, string Detail)
{
    /// <summary>The caller may not make this change.</summary>
    [JsonIgnore]
    public bool IsForbidden { get; init; }
}

/// <summary>What else the caller of an apply asks for.</summary>
/// <param name="Prune">Jobs with this label that are not in the set are deleted; null = none.</param>
/// <param name="KeepsOthers">A job that is there and differs is a fault, rather than changed.</param>
/// <param name="IsLenient">Members that are not known are kept, with a warning.</param>
/// <param name="Rights">What the caller may change; null = everything.</param>
internal sealed record ApplyRules(
    CronZone DefaultZone,
    DateTimeOffset Now,
    KeyValuePair<string, string>? Prune = null,
    bool KeepsOthers = false,
    bool IsLenient = false,
    JobRights? Rights = null);

/// <summary>What it takes to make the stored jobs those of a set: a delta for each job, or what is wrong with the set.</summary>
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
            else if (!stored.Kept.Contains(delta.Name) && FindFault(delta, rules) is { } wrong)
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
        faults.AddRange(FindCircles(all, stored, rules.Rights).Select(circle =>
            new ApplyFault(deltas[circle.Name].Place, circle.Name, circle.Detail)));
        return new ApplyPlan(all, faults);
    }

    public int Count(JobChangeKind kind) => Deltas.Count(delta => delta.Kind == kind);

    /// <summary>Why the caller may not make a change; null = they may.</summary>
    /// <remarks>A dependent runs when the job ends: to name one is to run it.</remarks>
    private static string? FindForbidden(JobDelta delta, StoredJobs stored, IReadOnlyList<WantedJob> wanted, JobRights? rights)
    {
        if (rights is null || delta.Kind == JobChangeKind.Unchanged)
        {
            return rights?.MaySee(delta.After) != false ? null
                : $"name \"{Display.Line(delta.Name.Value)}\" is no job within the filter that limits you";
        }

        if (rights.FindFault(delta.Name, delta.Revision > 0, delta.Before, delta.After) is { } fault)
        {
            return fault.Message;
        }

        if (stored.Foreign.Contains(delta.Name))
        {
            return JobRights.NoSuchJob(delta.Name).Message;
        }

        var added = rights.IsLimited ? delta.After!.Dependents.Except(delta.Before?.Dependents ?? []).Except([delta.After.Name]) : [];
        return added.FirstOrDefault(name => !rights.MaySee(
            stored.Jobs.GetValueOrDefault(name).Job ?? wanted.FirstOrDefault(other => other.Job?.Name == name)?.Job)) is { } foreign
                ? $"then, onFailure or always name \"{Display.Line(foreign)}\", which is no job within the filter that limits you"
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
        var after = SaveRules.WithUnixLines(job with
        {
            Name = StoredName(job.Name, stored),
            Then = StoredNames(job.Then, stored),
            OnFailure = StoredNames(job.OnFailure, stored),
            Always = StoredNames(job.Always, stored),
        }, warnings);
        if (after.Name != job.Name)
        {
            warnings.Add("name had separate letters and accents; it was saved in Unicode's composed form (NFC)");
        }

        var (before, revision) = stored.Jobs.GetValueOrDefault(after.Name);
        var name = JobName.TryParse(after.Name, out var parsed, out _) ? parsed : default;
        var unknown = members is null ? [] : JobMembers.FindUnknown(members, before);
        warnings.AddRange(unknown.Select(member =>
            $"{member}; it {(member.Part.Length == 0 ? "is kept and has no effect" : "was left out")}"));
        var changes = revision == 0 ? [] : JobDiff.Between(before, after); // All of a new job is new.
        return new JobDelta(name, before, after, revision, changes) { Warnings = warnings, Unknown = unknown };
    }

    /// <summary>The name that a job is stored under: composed (NFC), unless an older version or etcdctl stored this very name.</summary>
    public static string StoredName(string name, StoredJobs stored) =>
        JobName.TryParse(name, out _, out _) && !stored.Jobs.ContainsKey(name) ? Nfc.Of(name) : name;

    private static IReadOnlyList<string> StoredNames(IReadOnlyList<string> names, StoredJobs stored) =>
        [.. names.Select(name => StoredName(name, stored))];

    private static string? FindFault(JobDelta delta, ApplyRules rules)
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

        var isNewSchedule = delta.Before is null || !JobStore.HaveOneSchedule(delta.Before, job);
        return SaveRules.FindFault(job, rules.DefaultZone)
            ?? (isNewSchedule ? SaveRules.FindOver(job, rules.DefaultZone, rules.Now) : null);
    }

    /// <summary>The jobs of the set whose dependents lead back to them, once the set is applied.</summary>
    private static IEnumerable<(string Name, string Detail)> FindCircles(
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

        var details = JobCircles.Find(jobs)
            .Select(circle => (circle.Names, Detail: "then, onFailure or always lead back to the job itself "
                + $"({Display.Line(string.Join(" > ", circle.Way.Select(NameOf)))}); expected no circle"))
            .SelectMany(circle => circle.Names.Select(name => KeyValuePair.Create(name, circle.Detail)))
            .ToDictionary();
        return deltas
            .Where(delta => delta.After is not null && delta.Kind != JobChangeKind.Unchanged && details.ContainsKey(delta.Name))
            .Select(delta => (delta.Name.Value, details[delta.Name]));

        string NameOf(string name) => rights?.NameOf(name, jobs.GetValueOrDefault(name)) ?? name;
    }
}
