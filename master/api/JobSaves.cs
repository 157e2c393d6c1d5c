using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>Saves and deletes one job so that no change of somebody else is lost: what was checked is what is replaced.</summary>
internal sealed class JobSaves(JobStore jobs, WorkerList workers, VersionHistory history, CronZone defaultZone, TimeProvider time)
{
    private const int Tries = 20;
    private const int TimesShown = 5;

    private static readonly TimeSpan HistoryWithin = TimeSpan.FromSeconds(1); // A refusal must not wait long for who changed the job.

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <exception cref="Refusal">The text is not a JSON object.</exception>
    public static JsonObject Parse(ReadOnlyMemory<byte> utf8, string expected)
    {
        try
        {
            var given = JsonNode.Parse(utf8.Span, documentOptions: Strict) as JsonObject
                ?? throw Refusal.Invalid($"body is not a JSON object; expected {expected}");
            JobMembers.ReadNames(given);
            return given;
        }
        catch (InvalidOperationException)
        {
            throw NotUnicode();
        }
        catch (JsonException wrong)
        {
            var place = $"line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}";
            throw new Refusal(Problem.Of(
                400,
                wrong.Message.Contains("uplicate", StringComparison.Ordinal)
                    ? $"body has a member twice ({Display.Line(wrong.Message)}); expected each once"
                    : $"body is not JSON ({place}); expected {expected}"));
        }
    }

    /// <param name="name">As the path has it.</param>
    /// <param name="given">The body.</param>
    /// <param name="make">From the job that etcd has to the one that is to be saved.</param>
    public async Task<JobSaved> SaveAsync(
        JobName name, JsonObject given, Func<StoredJob, JsonObject> make, SaveOptions options, CancellationToken cancel)
    {
        var stored = await jobs.ResolveAsync(name, cancel);
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var current = await FindAsync(stored, options.Condition, cancel);
            var warnings = CheckMembers(given, current.Job, options.IsLenient);
            var next = await ReadAsync(make(current), name, stored, warnings, cancel);
            // Before the save: a question to etcd after it could fail, and the client would think that the save had failed.
            var answer = await DescribeAsync(next, warnings, cancel);
            if (await ReplaceAsync(stored, current.Revision, next, options.IsTrial, cancel) is { } change)
            {
                return new JobSaved(answer, IsNew: !current.Exists, change.Revision);
            }
        }

        throw ChangedByOthers(name);
    }

    /// <summary>Deletes a job and returns it; null = it could not be read.</summary>
    public async Task<Job?> DeleteAsync(JobName name, JobCondition condition, CancellationToken cancel)
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var current = await FindAsync(name, condition, cancel);
            if (!current.Exists)
            {
                throw NoSuchJob(name);
            }

            if (await ReplaceAsync(name, current.Revision, null, isTrial: false, cancel) is { } change)
            {
                return change.Former;
            }
        }

        throw ChangedByOthers(name);
    }

    /// <summary>Pauses or resumes a job.</summary>
    public async Task<JobChange> EnableAsync(JobName name, bool enabled, JobCondition condition, CancellationToken cancel)
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var current = await FindAsync(name, condition, cancel);
            if (current.Job is null)
            {
                throw NoSuchJob(name);
            }

            if (await jobs.EnableAsync(name, enabled, cancel, current.Revision) is { } change)
            {
                return change;
            }
        }

        throw ChangedByOthers(name);
    }

    public static Refusal NoSuchJob(JobName name) =>
        Refusal.NotFound($"name \"{Display.Line(name.Value)}\" is no job; expected one that is saved");

    private static Refusal ChangedByOthers(JobName name) =>
        Refusal.Conflict($"job \"{Display.Line(name.Value)}\" was changed by others {Tries} times while it was saved; try again");

    /// <exception cref="Refusal">The job is not in the state that the request expects.</exception>
    private async Task<StoredJob> FindAsync(JobName name, JobCondition condition, CancellationToken cancel)
    {
        var current = await jobs.FindStoredAsync(name, cancel);
        return condition.IsMetBy(current) ? current : throw await RefuseAsync(name, condition, current, cancel);
    }

    /// <summary>Says how the job differs from what the client has seen.</summary>
    private async Task<Refusal> RefuseAsync(JobName name, JobCondition condition, StoredJob current, CancellationToken cancel)
    {
        var shown = $"job \"{Display.Line(name.Value)}\"";
        var latest = await FindLatestAsync(name, current, cancel);
        var who = latest is { SavedAt: { } at, Author: var (by, from) }
            ? $" (by {by} from {from} at {at.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ})"
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

    /// <summary>The save that left a job as it is; null = not known.</summary>
    private async Task<JobVersion?> FindLatestAsync(JobName name, StoredJob current, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(HistoryWithin);
        try
        {
            // What waits in etcd is found without the log store.
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

    /// <summary>Refuses members that are not known, or warns of them.</summary>
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
            throw NotUnicode();
        }
    }

    private static Refusal NotUnicode() =>
        Refusal.Invalid("body has text that is not Unicode; expected UTF-8 without lone surrogates");

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

/// <param name="IsLenient">Members that are not known are kept, with a warning.</param>
/// <param name="IsTrial">Nothing is saved.</param>
internal sealed record SaveOptions(JobCondition Condition, bool IsLenient, bool IsTrial);

internal sealed record JobSaved(SaveAnswer Answer, bool IsNew, long Revision);

/// <summary>The answer to a save.</summary>
/// <param name="Words">The schedule in words.</param>
/// <param name="Next">The next five plan times.</param>
/// <param name="Warnings">What was changed in the text, and what may surprise.</param>
internal sealed record SaveAnswer(Job Job, string Words, IReadOnlyList<DateTimeOffset> Next, IReadOnlyList<string> Warnings);
