using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Records;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Runs;

/// <summary>Starts claimed runs at their plan time, follows them to their end, and ends them when asked.</summary>
/// <remarks>Not thread-safe: one loop, one inbox. All that can be done ahead of the plan time is done when the order comes.</remarks>
internal sealed class Launcher(
    WorkerSettings settings,
    Func<bool> drains,
    RunAs runAs,
    RunCgroups cgroups,
    RunSecrets secrets,
    SessionKeeper sessions,
    Slots slots,
    RunsInFlight runs,
    HeldCommands commands,
    LaunchLedger ledger,
    RecordWriter recorder,
    LiveOutput outputs,
    Channel<RunOrder> inbox,
    ChannelWriter<Ending> endings,
    Alarm alarm,
    TimeProvider time,
    ILogger log)
{
    private static readonly TimeSpan InDoubtPause = TimeSpan.FromMilliseconds(100);
    // The time in which a missed start is noticed and recorded, and its run's key is deleted from etcd.
    private static readonly TimeSpan EndsBeforeNext = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan StepBack = TimeSpan.FromSeconds(2);

    private readonly Cancellations _cancellations = new(); // A claim's answer may arrive after the job was deleted.
    private readonly Dictionary<Run, Waiting> _waiting = [];
    private readonly TimerWheel<Waiting> _wheel = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private readonly List<Waiting> _due = [];
    private readonly List<Waiting> _ready = []; // Their time has come; they wait for a slot when all are taken.
    private readonly List<Waiting> _starting = [];
    private readonly HashSet<Task> _followed = [];
    private readonly TaskCompletionSource _leaving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DateTimeOffset _lookedAt;
    private double? _lagMs; // Of the last start.

    /// <summary>
    /// Runs until there are no more orders; then what was claimed still starts, and running commands are left to the next process, or get
    /// the drain timeout.
    /// </summary>
    public async Task RunAsync()
    {
        TakeFormer();
        slots.Freed += () => inbox.Writer.TryWrite(new RunOrder.Tick()); // full: the loop looks after each message anyway
        await foreach (var order in inbox.Reader.ReadAllAsync())
        {
            await TakeAsync(order);
            await StartDueAsync();
            await ForgetFollowedAsync();
            alarm.Set(_wheel.NextDue);
        }

        await DrainAsync();
        endings.Complete();
    }

    /// <summary>Follows on what a process of this worker before this one started.</summary>
    private void TakeFormer()
    {
        foreach (var run in runs.All.Where(run => run.Command is not null).ToList())
        {
            slots.Take();
            _followed.Add(FollowAsync(run, run.Command!));
        }
    }

    private async Task TakeAsync(RunOrder order)
    {
        switch (order)
        {
            case RunOrder.Start(var run):
                await PrepareAsync(run);
                break;
            case RunOrder.Cancel(var name, var revision, var why):
                _cancellations.Add(name, "", revision, why, time.GetUtcNow());
                await CancelWaitingAsync(name);
                break;
            case RunOrder.Kill(var name, var request, var revision):
                _cancellations.Add(name, request.RunId, revision, $"killed before it started: {request.Reason}", time.GetUtcNow());
                await CancelWaitingAsync(name);
                KillRunning(name, request, revision);
                break;
            case RunOrder.OtherData:
                _cancellations.Clear();
                break;
            case RunOrder.Beat(var pulse):
                (pulse.Running, pulse.LagMs) = (_followed.Count, _lagMs);
                pulse.ComeOut();
                break;
        }
    }

    private async Task PrepareAsync(Run run)
    {
        if (_cancellations.FindWhy(run, time.GetUtcNow()) is { } why)
        {
            await EndAsync(run, RunStatus.Cancelled, why);
            return;
        }

        if (!runAs.TryFind(run.Job, out var user, out var refusal)
            || !secrets.TryFind(run, out var files, out refusal)
            || !cgroups.TryMake(run, out var cgroup, out refusal))
        {
            await EndAsync(run, RunStatus.Failed, refusal);
            return;
        }

        run.User = user?.Name ?? "";
        ledger.Launching(run);
        run.Cgroup = cgroup;
        run.Secrets = files;
        run.Output = outputs.Begin(run);
        run.Span = RunSpan.Begin(run);
        commands.Prepare(run.Key, HeldRun.ToTag(run), MakeCommand(run, user));
        var waiting = new Waiting(run) { Next = FindNext(run) };
        _waiting[run] = waiting;
        waiting.Timer = _wheel.Add(run.Spec.NotBefore.ToUnixTimeMilliseconds(), waiting);
    }

    private async Task StartDueAsync()
    {
        var now = time.GetUtcNow();
        _due.Clear();
        _wheel.Advance(now.ToUnixTimeMilliseconds(), _due);
        if (now + StepBack < _lookedAt)
        {
            // The clock was stepped back. They were about to start: they do, or the job would wait for their time to come again.
            _due.AddRange(_waiting.Values);
        }

        _lookedAt = now;
        _ready.AddRange(_due.Distinct().Except(_ready).ToList());
        _starting.Clear();
        foreach (var waiting in _ready.ToList())
        {
            if (!_waiting.ContainsKey(waiting.Run))
            {
                _ready.Remove(waiting); // Cancelled meanwhile.
            }
            else if (time.GetUtcNow() > waiting.Deadline)
            {
                _ready.Remove(waiting);
                Drop(waiting);
                await EndAsync(
                    waiting.Run,
                    RunStatus.Missed,
                    $"not started within {waiting.Run.Job.StartDeadlineSeconds} s: this worker was full, stalled or cut off from etcd");
            }
            else if (slots.TryTake())
            {
                _ready.Remove(waiting);
                if (await MayStartAsync(waiting))
                {
                    _starting.Add(waiting);
                }
                else
                {
                    slots.Release();
                }
            }
            else if (waiting.Timer is null || waiting.Timer.DueMs <= time.GetUtcNow().ToUnixTimeMilliseconds())
            {
                waiting.Timer = _wheel.Add(waiting.Deadline.ToUnixTimeMilliseconds() + 1, waiting);
            }
        }

        await StartTogetherAsync();
    }

    /// <summary>What is to be written about a start comes after all of them.</summary>
    private async Task StartTogetherAsync()
    {
        if (_starting.Count == 0)
        {
            return;
        }

        var session = sessions.Current;
        var deadlines = _starting
            .Select(waiting => CutOff.FindDeadline(waiting.Run, session, settings.SessionTtl))
            .OfType<KillDeadline>()
            .ToList();
        var holdsFor = session?.HoldsFor ?? TimeSpan.Zero;
#if SABOTAGE
        holdsFor = Sabotage.OfSession ? HeldCommands.StartsWithin : holdsFor;
#endif
        var started = await StartAsync(holdsFor, deadlines);
        foreach (var (waiting, running) in started)
        {
            var run = waiting.Run;
            run.Command = running;
            ledger.Launched(run, running);
            _lagMs = (running.StartedAt - run.Spec.NotBefore).TotalMilliseconds;
            if (running.Pid > 0)
            {
                WorkerMeter.Started(_lagMs.Value);
                log.Started(run.Name, run.Id, running.Pid, _lagMs.Value);
            }

            if (run.IsRunElsewhere)
            {
                running.Kill(Run.RunElsewhere); // It was declared lost while it was being started.
            }

            _followed.Add(FollowAsync(run, running));
        }
    }

    /// <summary>
    /// Starts all at once. A run whose job is due again soon waits less for the holder, and does not shorten the time that the others have.
    /// </summary>
    private async Task<IEnumerable<(Waiting, RunningCommand)>> StartAsync(TimeSpan holdsFor, List<KillDeadline> deadlines)
    {
        var now = time.GetUtcNow();
        var groups = _starting
            .GroupBy(waiting => waiting.Next is { } next && next - now < HeldCommands.StartsWithin + EndsBeforeNext)
            .Select(group => group.ToList())
            .ToList();
        var started = await Task.WhenAll(groups.Select(group =>
            commands.StartAsync([.. group.Select(waiting => waiting.Run.Key)], FindPatience(group, holdsFor, now), deadlines)));
        return groups.Zip(started, (group, running) => group.Zip(running)).SelectMany(pairs => pairs);
    }

    /// <summary>
    /// How long starts may take: while the session holds, and while a run that misses its own start would not be in the way of the job's
    /// next.
    /// </summary>
    private static TimeSpan FindPatience(List<Waiting> starting, TimeSpan holdsFor, DateTimeOffset now)
    {
        var untilNext = starting.Min(waiting => waiting.Next ?? DateTimeOffset.MaxValue) - now - EndsBeforeNext;
        untilNext = untilNext > LeastPatience ? untilNext : LeastPatience;
        return untilNext < holdsFor ? untilNext : holdsFor;
    }

    /// <summary>The job's next plan time, if this run would be in its way; null = runs of the job may overlap.</summary>
    private DateTimeOffset? FindNext(Run run) =>
        run.Job.Overlap != Overlap.Allow && JobSchedule.TryParse(run.Job, settings.DefaultZone, out var schedule, out _)
            ? schedule.Next(run.Spec.NotBefore)
            : null;

    private async Task<bool> MayStartAsync(Waiting waiting)
    {
        var run = waiting.Run;
#if SABOTAGE
        if (Sabotage.OfSession)
        {
            _waiting.Remove(run);
            return true;
        }
#endif
        if (sessions.Current is not { Holds: true } session)
        {
            // Others may have declared it lost by now. It starts when etcd says that they have not.
            waiting.Timer = _wheel.Add((time.GetUtcNow() + InDoubtPause).ToUnixTimeMilliseconds(), waiting);
            return false;
        }

        if (run.Session != session.Lease)
        {
            Drop(waiting);
            await EndAsync(run, RunStatus.Lost, "the session under which it was claimed expired before it could start");
            return false;
        }

        if (waiting.Timer is { } timer)
        {
            _wheel.Cancel(timer);
        }

        _waiting.Remove(run);
        return true;
    }

    private async Task FollowAsync(Run run, RunningCommand running)
    {
        if (await Task.WhenAny(running.Ended, _leaving.Task) != running.Ended)
        {
            return;
        }

        var ending = await running.Ended;
        if (ending.Outcome is CommandOutcome.Lost lost)
        {
            ending = await EndLostAsync(run, running, ending, lost);
        }

        ledger.Ended(run);
        var record = recorder.Ran(run, ending, cgroups.End(run));
        outputs.End(run.Output!, ending);
        run.Status = record.Status;
        RunSpan.End(run, ending, record);
        log.Ended(record);
        await endings.WriteAsync(new Ending(record, run));
        slots.Release();
    }

    /// <summary>Kills what a dead holder left of a command: its run is over only then, because it may be run again.</summary>
    private async Task<CommandEnding> EndLostAsync(Run run, RunningCommand running, CommandEnding ending, CommandOutcome.Lost lost)
    {
        var launch = new LaunchLedger.Launch(run.Key, running.Pid, running.StartTicks, run.User);
        var killed = await FormerRuns.KillLeftBehindAsync(commands, cgroups, launch, settings.WorkerId);
        secrets.RemoveLeft(commands, runs.All.Where(other => other != run));
        if (killed is null)
        {
            log.LeftoverStays(run.Key, run.User);
        }

        var left = killed switch
        {
            null => "what is left of it could not be killed",
            0 => "nothing was left of it",
            1 => "1 process was left of it, which was killed",
            _ => $"{killed} processes were left of it, which were killed",
        };
        return ending with { Outcome = new CommandOutcome.Lost($"{lost.Why}; {left}"), EndedAt = time.GetUtcNow() };
    }

    /// <summary>An exception out of a follower is a bug and ends the worker.</summary>
    private async Task ForgetFollowedAsync()
    {
        foreach (var ended in _followed.Where(task => task.IsCompleted).ToList())
        {
            _followed.Remove(ended);
            await ended;
        }
    }

    /// <summary>Ends a run that never started.</summary>
    private async Task EndAsync(Run run, RunStatus status, string why)
    {
        log.NotRun(run.Name.Value, run.Id, status, why);
        run.Status = status;
        await endings.WriteAsync(new Ending(recorder.NotStarted(run, status, why, time.GetUtcNow()), run));
    }

    private void Drop(Waiting waiting)
    {
        if (waiting.Timer is { } timer)
        {
            _wheel.Cancel(timer);
        }

        _waiting.Remove(waiting.Run);
        RunSpan.Discard(waiting.Run);
        outputs.End(waiting.Run.Output!);
        _ = cgroups.End(waiting.Run);
        commands.Drop(waiting.Run.Key);
        ledger.Ended(waiting.Run);
    }

    private async Task CancelWaitingAsync(JobName name)
    {
        foreach (var waiting in _waiting.Values.Where(waiting => waiting.Run.Name == name).ToList())
        {
            if (_cancellations.FindWhy(waiting.Run, time.GetUtcNow()) is { } why)
            {
                Drop(waiting);
                await EndAsync(waiting.Run, RunStatus.Cancelled, why);
            }
        }
    }

    private void KillRunning(JobName name, KillRequest request, long revision)
    {
        foreach (var run in runs.All.Where(run => run.Name == name && run.FencingToken < revision && request.Covers(run.Id)))
        {
            run.KillRevision = revision;
            run.Command?.Kill(request.Reason);
        }
    }

    private async Task DrainAsync()
    {
        var until = time.GetUtcNow() + settings.DrainTimeout;
        while (_waiting.Count > 0 && time.GetUtcNow() < until)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), time);
            await StartDueAsync();
        }

        foreach (var waiting in _waiting.Values.ToList())
        {
            Drop(waiting);
            await EndAsync(waiting.Run, RunStatus.Cancelled, "the worker was told to stop before it could start");
        }

        var isDraining = drains();
        if (!isDraining)
        {
            _leaving.SetResult();
            var left = runs.All.Count(run => run is { Command: not null, Status: null });
            if (left > 0)
            {
                log.LeftRunning(left);
            }
        }

        var all = Task.WhenAll(_followed);
        var remaining = until - time.GetUtcNow();
        await Task.WhenAny(all, Task.Delay(remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero, time));
        foreach (var run in isDraining ? runs.All : [])
        {
            run.Command?.Kill(
                "the worker was told to stop and the command had not ended within its drainTimeout of "
                    + $"{settings.DrainTimeout.TotalSeconds:0} s");
        }

        await all;
    }

    private ShellCommand MakeCommand(Run run, UserAccount? user)
    {
        var job = run.Job;
        var shell = job.Shell.Length > 0 ? job.Shell : settings.Shell;
        var environment = CommandEnvironment.Clean(shell, user);
        foreach (var (name, value) in job.Env.Concat(run.Spec.Env ?? new Dictionary<string, string>()))
        {
            environment[name] = value;
        }

        environment["DTS_JOB"] = job.Name;
        environment["DTS_RUN_ID"] = run.Id;
        environment["DTS_PLAN_TIME"] = Cursor.Text(run.Spec.PlanTime);
        environment["DTS_ATTEMPT"] = $"{run.Spec.Attempt}";
        environment["DTS_TRIGGER"] = run.Spec.Trigger;
        environment["DTS_WORKER"] = settings.WorkerId;
        environment["DTS_FENCING_TOKEN"] = $"{run.FencingToken}";
        if (run.Spec.ShardTotal > 0)
        {
            environment["DTS_SHARD_INDEX"] = $"{run.Spec.ShardIndex}";
            environment["DTS_SHARD_TOTAL"] = $"{run.Spec.ShardTotal}";
        }

        if (run.Span?.Id is { } context)
        {
            _ = environment.TryAdd(RunSpan.Variable, context); // A job may go on from a context of its own.
        }

        if (run.Secrets is { } files)
        {
            environment[SecretFiles.Variable] = files.Folder;
        }

        return new ShellCommand
        {
            Script = job.Command,
            Environment = environment,
            Shell = shell,
            User = user,
            Cgroup = run.Cgroup,
            Secrets = run.Secrets,
            Cwd = job.Cwd.Length > 0 ? job.Cwd : environment["HOME"],
            OutputTarget = run.Output,
            OutputLimitBytes = job.OutputLimitBytes > 0 ? job.OutputLimitBytes : settings.OutputLimitBytes,
            Timeout = TimeSpan.FromSeconds(job.TimeoutSeconds),
            KillGrace = TimeSpan.FromSeconds(job.KillGraceSeconds),
        };
    }

    private sealed class Waiting(Run run)
    {
        public Run Run { get; } = run;

        public DateTimeOffset Deadline { get; } = run.Spec.NotBefore + TimeSpan.FromSeconds(run.Job.StartDeadlineSeconds);

        /// <summary>See <see cref="FindNext"/>.</summary>
        public DateTimeOffset? Next { get; init; }

        public TimerWheel<Waiting>.Entry? Timer { get; set; }
    }
}
