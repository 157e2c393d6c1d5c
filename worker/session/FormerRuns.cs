using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Sessions;

/// <summary>
/// Looks after the runs that stand in etcd under this worker's id but not under its session: from before a restart, or before the session
/// was lost.
/// </summary>
internal sealed class FormerRuns(
    EtcdClient etcd, Keys keys, string workerId, RunsInFlight runs, LostRuns lost, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan AnswersComeWithin = TimeSpan.FromMinutes(1);

    /// <summary>Adopts what an earlier process of this worker started and a holder still holds, or has left the ending of.</summary>
    public void Adopt(HeldCommands commands, LaunchLedger ledger, LiveOutput outputs, RunCgroups cgroups)
    {
        foreach (var former in commands.Former)
        {
            if (HeldRun.TryRead(former) is not { } run || !runs.TryAdd(run))
            {
                former.Running.Kill("it was started by another version of this worker, and cannot be followed any more");
                commands.Forget(former.Id);
                continue;
            }

            // The one that it has: its limits are set anew, for systemd may have had to lift them.
            _ = cgroups.TryMake(run, out var cgroup, out _);
            run.Cgroup = cgroup;
            ledger.Launched(run, former.Running);
            outputs.GoOn(run, run.Output!);
            log.Adopted(run.Name, run.Id, former.Running.Pid, former.Running.Ended.IsCompleted ? "it has ended meanwhile" : "it goes on");
        }
    }

    /// <summary>Ends what an earlier process of this worker started and nobody holds: there is no one to hear how it ends.</summary>
    public async Task KillLeftBehindAsync(HeldCommands commands, LaunchLedger ledger, RunCgroups cgroups)
    {
        foreach (var launch in ledger.Former.Where(launch => !runs.All.Any(run => run.Key == launch.Key)))
        {
            var killed = await KillLeftBehindAsync(commands, cgroups, launch, workerId);
            if (killed is > 0 and var processes)
            {
                log.LeftBehindKilled(launch.Key, processes);
            }
            else if (killed is null)
            {
                log.LeftoverStays(launch.Key, launch.User);
            }
        }
    }

    /// <summary>
    /// Kills what is left of a command that nobody holds: the number of processes, or null if no process runs as its user.
    /// </summary>
    public static async Task<int?> KillLeftBehindAsync(
        HeldCommands commands, RunCgroups cgroups, LaunchLedger.Launch launch, string workerId)
    {
        var (key, pid, startTicks, userName) = launch;
        var (name, runId) = (key[..key.LastIndexOf('/')], key[(key.LastIndexOf('/') + 1)..]);
        var inCgroup = cgroups.KillLeft(name, runId);
        var mark = new Dictionary<string, string> { ["DTS_JOB"] = name, ["DTS_RUN_ID"] = runId, ["DTS_WORKER"] = workerId };
        var found = userName.Length > 0 && UserAccount.Find(userName) is { } user
            ? await commands.KillLeftAsync(user, mark, pid, startTicks) // Only that user may read the environment of those processes.
            : LeftBehind.Kill(mark, pid, startTicks);
        return found is { } count ? Math.Max(inCgroup, count) : null;
    }

    /// <summary>
    /// Takes runs that are still ours along to a new session, ends as lost those that nobody follows any more, and sees to those that go on
    /// here although others have declared them lost.
    /// </summary>
    public async Task SettleAsync(Session session)
    {
        try
        {
            var held = runs.All.ToList(); // Before etcd is asked: one that is claimed now is none of these.
            var pairs = await etcd.ListAsync(keys.AllRuns);
            foreach (var pair in pairs)
            {
                // The reaper reports and removes values that cannot be read.
                if (Keys.TryParseRun(pair.Key.ToStringUtf8(), keys.AllRuns) is var (name, runId)
                    && Documents.TryReadInFlight(runId, pair.Value.Span, out var inFlight, out _) && inFlight.Worker == workerId)
                {
                    await SettleAsync(pair, name, runId, inFlight, session);
                }
            }

            var inEtcd = pairs.Select(pair => pair.Key.ToStringUtf8()).ToHashSet();
            foreach (var run in held.Where(run => run.Status is null && !inEtcd.Contains(keys.Run(run.Name, run.Id))))
            {
                SettleReaped(run);
            }
        }
        catch (EtcdException)
        {
            // The reaper finds them: their session is gone.
        }
    }

    /// <summary>
    /// Declared lost while we were cut off. If it was put up for a rerun it must not go on beside that; any other goes on, and its true
    /// ending is recorded.
    /// </summary>
    private void SettleReaped(Run run)
    {
        if (run.LostAtMs > 0)
        {
            return;
        }

        run.LostAtMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        if (run.IsRunElsewhere)
        {
            log.RunHadBeenLost(run.Name, run.Id, "it runs again elsewhere, and is killed here");
            run.Command?.Kill(Run.RunElsewhere);
        }
        else
        {
            log.RunHadBeenLost(run.Name, run.Id, "it goes on, and its true ending will be recorded");
        }
    }

    private async Task SettleAsync(KeyValue pair, JobName name, string runId, RunInFlight inFlight, Session session)
    {
        var key = pair.Key.ToStringUtf8();
        var isOfThisSession = inFlight.Session == session.Lease.ToString();
        if (runs.Find(name, runId) is not { } run)
        {
            if (!isOfThisSession || time.GetUtcNow() - inFlight.Claimed > AnswersComeWithin)
            {
                await lost.EndAsync(
                    pair, inFlight, session, isOfThisSession ? "it never heard that its claim was granted" : "it was restarted");
            }

            return;
        }

        if (isOfThisSession || pair.CreateRevision != run.FencingToken)
        {
            return;
        }

        var ours = JsonSerializer.Serialize(inFlight with { Session = session.Lease.ToString() }, JobsJson.Readable.RunInFlight);
        var answer = await etcd.TxnAsync(Txn.If(Txn.Unchanged(key, pair.ModRevision)).Then(Txn.Put(key, ours)));
        if (answer.Succeeded)
        {
            run.TakeAlong(session.Lease, answer.Header.Revision);
            log.RunTakenBack(name, runId);
        }
    }
}
