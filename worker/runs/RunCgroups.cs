using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Runs;

/// <summary>
/// Makes a cgroup for each run that asks for limits, for each run of another user, because the worker cannot read the variables that mark
/// that user's processes, and with cgroupPerRun for every run. Removes it when it is empty.
/// </summary>
/// <param name="folder">Where they are made; null = nowhere, for the reason given.</param>
/// <param name="findMissing">Why runs cannot be limited by a controller here; null = they can.</param>
/// <remarks>
/// Thread-safe. A limit that cannot be kept fails the run that asks for it; no other run ever fails for what happens here.
/// </remarks>
internal sealed class RunCgroups(string? folder, Func<string, string?> findMissing, string workerId, bool forEveryRun)
{
    private const int PeriodUs = 100_000; // The period of cpu.max, which is "quota period".

    private readonly ConcurrentQueue<RunCgroup> _left = []; // Their run is over, and something is still in them.

    /// <summary>
    /// Moves this process into a cgroup of its own, and removes cgroups that an earlier process left. Logs if limits cannot be enforced.
    /// </summary>
    public static RunCgroups Open(WorkerSettings settings, ILogger log)
    {
        var own = OwnCgroup.TryPrepare(out var why);
        var cgroups = new RunCgroups(
            own?.Runs, controller => own is null ? why : own.FindMissing(controller), settings.WorkerId, settings.CgroupPerRun);
        if (own is null)
        {
            log.NoLimits(why);
        }
        else
        {
            Directory.GetDirectories(own.Runs).ToList().ForEach(former => cgroups.Forget(new RunCgroup(former, mustHold: false)));
        }

        return cgroups;
    }

    /// <summary>
    /// Makes the cgroup of a run, null if it needs none; false = it asks for a limit that cannot be kept here, and
    /// <paramref name="refusal"/> says which and why.
    /// </summary>
    public bool TryMake(Run run, out RunCgroup? cgroup, out string refusal)
    {
        var limits = LimitsOf(run.Job).ToList();
        refusal = "";
        cgroup = folder is not null && (forEveryRun || run.Job.User.Length > 0 || limits.Count > 0)
            ? TryMake(NameOf(run.Name.Value, run.Id), mustHold: limits.Count > 0)
            : null;
        foreach (var limit in limits)
        {
            if (FindUnkept(limit, cgroup) is { } why)
            {
                refusal = $"{limit.Field} is {limit.Value}, which worker {workerId} cannot keep: {why}";
                break;
            }
        }

        if (refusal.Length > 0 && cgroup is not null)
        {
            Forget(cgroup);
        }
        else
        {
            _ = cgroup?.TrySet("memory.oom.group", "1"); // A run that takes too much memory ends as a whole, not one process of it.
        }

        return refusal.Length == 0;
    }

    /// <summary>What a run that is over used; its cgroup goes when nothing is left in it.</summary>
    public CgroupUse? End(Run run)
    {
        if (run.Cgroup is not { } cgroup)
        {
            return null;
        }

        var use = cgroup.ReadUse();
        for (var left = _left.Count; left > 0 && _left.TryDequeue(out var former); left--)
        {
            Forget(former);
        }

        Forget(cgroup);
        return use;
    }

    /// <summary>Ends all that is in the cgroup of a run that nobody holds, if it has one, and returns how many processes it was.</summary>
    public int KillLeft(string job, string runId)
    {
        if (folder is null)
        {
            return 0;
        }

        var left = new RunCgroup(Path.Combine(folder, NameOf(job, runId)), mustHold: false);
        var members = left.Members();
        left.Kill();
        return members.Count;
    }

    private static IEnumerable<Limit> LimitsOf(Job job)
    {
        if (job.MemoryMax.Bytes > 0)
        {
            yield return new Limit("memoryMax", $"{job.MemoryMax}", "memory", "memory.max", $"{job.MemoryMax.Bytes}");
        }

        if (job.CpuMax > 0)
        {
            var cores = job.CpuMax.ToString(CultureInfo.InvariantCulture);
            yield return new Limit("cpuMax", cores, "cpu", "cpu.max", $"{(long)(job.CpuMax * PeriodUs)} {PeriodUs}");
        }

        if (job.PidsMax > 0)
        {
            yield return new Limit("pidsMax", $"{job.PidsMax}", "pids", "pids.max", $"{job.PidsMax}");
        }
    }

    /// <summary>The same name in every process. It has a hash, because a job's name may have characters that a folder's must not.</summary>
    internal static string NameOf(string job, string runId) => $"{runId}-{HashOf(job)}";

    internal static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));

    private string? FindUnkept(Limit limit, RunCgroup? cgroup) =>
        findMissing(limit.Controller) is { } why ? why
        : cgroup is null ? $"no cgroup can be made in {folder}"
        : cgroup.TrySet(limit.File, limit.Setting) ? null
        : $"{limit.File} does not take \"{limit.Setting}\"";

    private RunCgroup? TryMake(string name, bool mustHold)
    {
        try
        {
            return new RunCgroup(Directory.CreateDirectory(Path.Combine(folder!, name)).FullName, mustHold);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Forget(RunCgroup cgroup)
    {
        if (!cgroup.TryRemove())
        {
            _left.Enqueue(cgroup);
        }
    }

    /// <param name="Field">The job's member.</param>
    /// <param name="File">The cgroup's file that takes the setting.</param>
    private sealed record Limit(string Field, string Value, string Controller, string File, string Setting);
}
