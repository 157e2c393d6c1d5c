using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>Saves and deletes one job. It replaces exactly the job that it has checked, so no other client's change is lost.</summary>
internal sealed class JobSaves(JobStore jobs, WorkerList workers, VersionHistory history, CronZone defaultZone, TimeProvider time)
{
    private const int Tries = 20;
    private const int TimesShown = 5;

    private static readonly TimeSpan HistoryWithin = TimeSpan.FromSeconds(1); // A refusal must not wait long to learn who changed the job.

    /// <param name="name">As the path has it.</param>
    /// <param name="given">The body.</param>
    /// <param name="make">Makes the job to be saved from the one that etcd has.</param>
    public async Task<JobSaved> SaveAsync(
        JobName name, JsonObject given, Func<StoredJob, JsonObject> make, SaveOptions options, CancellationToken cancel)
    {
        var stored = await jobs.ResolveAsync(name, cancel);
        return await RetryAsync(stored, options.Condition, async current =>
        {
            var warnings = CheckMembers(given, current.Job, options.IsLenient);
            var next = await ReadAsync(make(current), name, stored, warnings, cancel);
            // Before the save: if a later read of etcd failed, the client would think that the save had failed.
            var answer = await DescribeAsync(next, warnings, cancel);
            return await ReplaceAsync(stored, current.Revision, next, options.IsTrial, cancel) is { } change
                ? new JobSaved(answer, IsNew: !current.Exists, change.Revision)
                : null;
        }, cancel);
    }

    /// <summary>Deletes a job and returns it; null = it could not be read.</summary>
    public async Task<Job?> DeleteAsync(JobName name, JobCondition condition, CancellationToken cancel)
    {
        var change = await RetryAsync(
            name,
            condition,
            current => current.Exists ? ReplaceAsync(name, current.Revision, null, isTrial: false, cancel) : throw NoSuchJob(name),
            cancel);
        return change.Former;
    }

    /// <summary>Pauses or resumes a job.</summary>
    public Task<JobChange> EnableAsync(JobName name, bool enabled, JobCondition condition, CancellationToken cancel) =>
        RetryAsync(
            name,
            condition,
            current => current.Job is null ? throw NoSuchJob(name) : jobs.EnableAsync(name, enabled, cancel, current.Revision),
            cancel);

    /// <summary>Changes a job; tries again while other clients change it first.</summary>
    /// <param name="change">Null = the job is no longer at the revision that was read.</param>
    private async Task<T> RetryAsync<T>(
        JobName name, JobCondition condition, Func<StoredJob, Task<T?>> change, CancellationToken cancel)
        where T : class
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            if (await change(await FindAsync(name, condition, cancel)) is { } changed)
            {
                return changed;
            }
        }

        throw Refusal.Conflict($"job \"{Display.Line(name.Value)}\" was changed by others {Tries} times while it was saved; try again");
    }

    public static Refusal NoSuchJob(JobName name) => Refusal.NotFound(JobRights.NoSuchJob(name).Message);

    /// <exception cref="Refusal">The job is not in the state that the request expects.</exception>
    private async Task<StoredJob> FindAsync(JobName name, JobCondition condition, CancellationToken cancel)
    {
        var current = await jobs.FindStoredAsync(name, cancel);
        return condition.IsMetBy(current) ? current : throw await RefuseAsync(name, condition, current, cancel);
    }

    /// <summary>Explains how the job differs from the one that the client has seen.</summary>
    private async Task<Refusal> RefuseAsync(JobName name, JobCondition condition, StoredJob current, CancellationToken cancel)
    {
        var shown = $"job \"{Display.Line(name.Value)}\"";
        var latest = await FindLatestAsync(name, current, cancel);
        var who = latest is { SavedAt: { } at, Author: var (by, from) }
            ? $" (by {by} from {from} at {Cursor.Text(at)})"
            : "";
        if (!current.Exists)
        {
            return Refusal.Changed($"{shown} {(who.Length > 0 ? $"was deleted{who}" : "does not exist")}; expected one, as If-Match says");
        }

        if (condition is JobCondition.IsMissing)
        {
            return Refusal.Changed(
                $"{shown} exists already; expected none, as If-None-Match says", JobDifference.Of(current.Revision, latest));
        }

        var then = condition.Seen is { } one ? await jobs.FindAtAsync(name, one, cancel) : null;
        var members = then is not null && current.Job is { } now ? JobMembers.Changed(then, now) : null;
        var what = members is [_, ..] ? $" in {string.Join(", ", members.Select(Display.Line))}" : "";
        var since = condition.Seen is { } seen ? $"revision {seen}" : "the revisions that If-Match names";
        return Refusal.Changed(
            $"{shown} has changed since {since}{what}{who}; read revision {current.Revision}, and change that",
            JobDifference.Of(current.Revision, latest, members));
    }

    /// <summary>The latest save of a job; null = not known.</summary>
    private async Task<JobVersion?> FindLatestAsync(JobName name, StoredJob current, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(HistoryWithin);
        try
        {
            // A version that waits in etcd is found without the log store.
            var latest = current.Exists
                ? await history.FindAsync(name, current.Revision, limit.Token)
                : (await history.ListAsync(name, null, 1, limit.Token)).SingleOrDefault();
            return latest is { SavedAt: not null } && current.Exists != latest.IsDeletion ? latest : null;
        }
        catch (Exception away) when (away is LogStoreException or OperationCanceledException && !cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Refuses unknown members, or warns of them.</summary>
    private static List<string> CheckMembers(JsonObject given, Job? former, bool isLenient)
    {
        var unknown = JobMembers.FindUnknown(given, former);
        return unknown.Count == 0 || isLenient
            ? [.. unknown.Select(member => $"{member}; it {(member.Part.Length == 0 ? "is kept and has no effect" : "was left out")}")]
            : throw new Refusal(Problem.Of(
                422,
                $"{string.Join("; ", unknown.Select(member => $"{member}"))}; ?lenient=true keeps it",
                unknown[0].Path,
                unknown[0].Nearest,
                "unknown-member"));
    }

    private async Task<Job> ReadAsync(JsonObject json, JobName name, JobName stored, List<string> warnings, CancellationToken cancel)
    {
        if (!json.ContainsKey("name"))
        {
            json["name"] = name.Value;
        }

        if (!JobJson.TryParse(ToBytes(json), out var job, out var error))
        {
            throw Refusal.Invalid(error);
        }

        job = SaveRules.WithUnixLines(await jobs.WithStoredNamesAsync(job, warnings, cancel), warnings);
        return job.Name != stored.Value ? throw Refusal.Invalid("name", job.Name, $"\"{Display.Line(stored.Value)}\", the name in the path")
            : SaveRules.FindFault(job, defaultZone) is { } fault ? throw Refusal.Invalid(fault)
            : job;
    }

    private static byte[] ToBytes(JsonObject json)
    {
        try
        {
            return Encoding.UTF8.GetBytes(json.ToJsonString());
        }
        catch (InvalidOperationException)
        {
            throw JsonBody.NotUnicode("body");
        }
    }

    private async Task<JobChange?> ReplaceAsync(JobName name, long revision, Job? next, bool isTrial, CancellationToken cancel)
    {
        try
        {
            return await jobs.ReplaceAsync(name, revision, next, isTrial, cancel);
        }
        catch (FormatException wrong)
        {
            throw Refusal.Invalid(wrong.Message);
        }
    }

    private async Task<SaveAnswer> DescribeAsync(Job job, List<string> warnings, CancellationToken cancel)
    {
        if (!JobSchedule.TryParse(job, defaultZone, out var schedule, out var error))
        {
            throw Refusal.Invalid(error);
        }

        var preview = SchedulePreview.Of(schedule, time.GetUtcNow(), TimesShown);
        warnings.AddRange(preview.Warnings);
        if (!job.Target.IsAnyone
            && !(await workers.ListAsync(cancel)).Any(worker => job.Target.Matches(worker.Key, worker.Value.Labels)))
        {
            warnings.Add($"target matches no live worker ({Display.Line($"{job.Target}")}); until one does, its fires are missed");
        }

        return new SaveAnswer(job, preview.Description, preview.Next, warnings);
    }
}

/// <param name="IsLenient">Unknown members are kept, with a warning.</param>
/// <param name="IsTrial">Nothing is saved.</param>
internal sealed record SaveOptions(JobCondition Condition, bool IsLenient, bool IsTrial);

internal sealed record JobSaved(SaveAnswer Answer, bool IsNew, long Revision);

/// <summary>The answer to a save.</summary>
/// <param name="Words">The schedule in words.</param>
/// <param name="Next">The next five plan times.</param>
/// <param name="Warnings">Changes that the save made to the text, and effects that may surprise.</param>
internal sealed record SaveAnswer(Job Job, string Words, IReadOnlyList<DateTimeOffset> Next, IReadOnlyList<string> Warnings);
