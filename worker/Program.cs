using System.Net;
using System.Threading.Channels;
using Dts.Common.Doctor;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Metrics;
using Dts.Worker;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Fires;
using Dts.Worker.Logs;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Dts.Worker.Watches;

Service.HideFromCommands();
if (args is [DoctorCommand.Name, ..])
{
    return await Service.RunAsync(() => DoctorCommand.RunAsync(args[1..], "worker.json", reader =>
    {
        var settings = WorkerSettings.Read(reader);
        return
        [
            .. EtcdChecks.Of(settings.Etcd, settings.Keys),
            WorkerChecks.Log(settings.Log),
            WorkerChecks.SpoolRoom(settings.DataFolder, settings.SpoolQuotaBytes),
            HostChecks.TimeZones(settings.DefaultZone),
            WorkerChecks.Cgroup("dts-worker"),
            WorkerChecks.JobUser(settings.JobUser),
            WorkerChecks.UserSwitching(settings.JobUser.Length > 0 ? [settings.JobUser, .. settings.RunAs] : settings.RunAs),
            HostChecks.Unit("dts-worker", settings.DrainTimeout),
        ];
    }));
}

if (Service.Answer(args, "dts-worker", "schedules and runs jobs of the distributed crontab", []) is { } answered)
{
    return answered;
}

if (args is ["hold", { } socket])
{
    return Holder.Run(socket);
}

return await Service.RunAsync(async () =>
{
    var reader = SettingsReader.Load(args, "worker.json");
    var settings = WorkerSettings.Read(reader);
    var current = settings; // What a reload changes is read from here.
    using var loggers = Service.CreateLoggers(reader, "dts-worker", () => current.LogLevel, out var log, settings.WorkerId);
    using var stop = new StopSignal();
    var systemd = SystemdNotifier.Find();
    using var reload = new Reload(systemd);
    var (id, keys, zone, host, time) = (settings.WorkerId, settings.Keys, settings.DefaultZone, Dns.GetHostName(), TestClock.Choose());

    using var figures = new FigureTable();
    using var telemetry = Telemetry.Open(settings, log);
    var runAs = RunAs.Open(settings, log);
    using var folder = DataFolder.Open(settings.DataFolder);
    using var spool = Spool.Open(folder.Spool, settings.SpoolQuotaBytes, log);
    var refused = new RefusedRecords(folder.Refused);
    using var journal = LaunchJournal.Open(folder.Path, log);
    using var etcd = new EtcdClient(settings.Etcd, BootTime.Instance, log);
    using var store = ILogWriter.Open(settings.Log, log);
    using var outputs = new LiveOutput(folder.Output, store, settings.OutputStoreLimitBytes, settings.LogRetention, time, log);
    var cgroups = RunCgroups.Open(settings, log); // Before there is any other process in this one's cgroup.
    var secrets = RunSecrets.Open(settings);
    using var commands = await HeldCommands.OpenAsync(folder.Holders, ThisProcess.Invocation("hold"), runAs.JobUser, log);

    var inbox = new FireInbox();
    var endings = new EndingChannel(1024);                    // full: ended runs keep their slots a little longer
    var completed = Channel.CreateBounded<Ending>(1024);      // full: the recorder waits
    var appended = Channel.CreateBounded<bool>(1);            // full: the shipper has been told
    var left = Channel.CreateBounded<bool>(1);                // full: the reaper has been told
    var fires = new Fires(new FireContext(id, keys, zone, settings.ClaimAhead, settings.Slots, time.GetUtcNow()), settings.Labels);
    var telling = new Lock();
    commands.AnswersChanged += () =>
    {
        lock (telling) // So that what is told last is true.
        {
            inbox.Post(new FireEvent.HoldersSilent(commands.SilentUsers));
        }
    };
    var drain = new OwnDrain(log);
    var runs = new OwnRuns();
    runs.Completed += run => inbox.Post(new FireEvent.Completed(run));
    var recorder = new RecordWriter(id, host, settings.LogRetention);
    var owed = new OwedEndings(keys, recorder, endings.Writer, log);
    using var clocks = new ClockCheck(id, time, log);
    var agreed = new AgreedTime(time, clocks);
    using var settler = new Settler(etcd, keys, id, runs, owed, clocks, log);
    var former = new FormerCommands(id, runs, commands, journal, cgroups, log);
    former.Adopt(outputs);
    await former.KillLeftBehindAsync();
    secrets.RemoveLeft(commands, runs.All);
    outputs.TakeLeft();
    var started = time.GetUtcNow();
    string Describe() => Registration.Describe(
        host, current, started, time.GetUtcNow(), clocks.Refusal, WorkerMeter.Describe(figures, runs, spool, refused), drain.Why);
    var sessions = new SessionKeeper(
        etcd, keys.Worker(id), settings.SessionTtl, Describe, Registration.IsOver, settler.SettleOwnAsync, () => runs.All.Any(), log);

    drain.Changed += sessions.DescribeSoon;

    var launcher = new Launcher(
        new CommandSite(settings, runAs, cgroups, secrets, journal, outputs), commands, runs, recorder, endings.Writer,
        new LauncherContext(
            settings, () => settings.Drain || stop.IsInterrupt, sessions,
            (run, command) => inbox.Post(new FireEvent.Started(run, command)),
            (run, why) => inbox.Post(new FireEvent.StartedTooLate(run, why)),
            (run, ran) => inbox.Post(new FireEvent.Ended(run, ran)),
            inbox.Wake,
            launch => FormerCommands.KillLeftBehindAsync(commands, cgroups, launch, id), time, log));
    using var loop = new FireLoop(
        fires, inbox, new FireRequests(etcd, log), launcher, owed,
        new FireLoopContext(MomentNow, Ready, settings.DrainTimeout, time, log));
    WorkerMeter.Watch(() => loop.Slots, runs, spool, refused);
    var vitals = new Vitals(inbox, sessions, spool, refused);
    using var end = new CancellationTokenSource(); // For what must outlive the last run.
    Task[] keeping =
    [
        sessions.RunAsync(end.Token),
        new Reaper(sessions, new LeaseLock(etcd, keys.Lock("reaper"), id), settler, store, left.Reader, agreed, log).RunAsync(end.Token),
        outputs.RunAsync(end.Token),
        new DisconnectKills(sessions, runs, commands, settings.SessionTtl, time).RunAsync(end.Token),
        new Heartbeat(
            systemd,
            cancel => Task.WhenAll(vitals.ProveAsync(cancel), commands.AnswerAsync(cancel)),
            _ => Task.FromResult(vitals.Describe()),
            time).RunAsync(end.Token),
        reload.RunAsync(reader, () => SettingsReader.Load(args, "worker.json"), WorkerSettings.Reloadable, TakeOverAsync, log, end.Token),
    ];
    Task[] stages =
    [
        new JobWatch(etcd, keys, id, zone, clocks, drain, inbox.Writer, left.Writer, log).RunAsync(stop.Token),
        loop.RunAsync(),
        new Recorder(keys, endings.Reader, spool, appended.Writer, completed.Writer, time, log).RunAsync(),
        new Completer(etcd, keys, id, runs, commands, () => agreed.GetUtcNow(), completed.Reader, time, log).RunAsync(),
        new LogShipper(spool, refused, store, appended.Reader, settings.LogBatchSize, settings.LogCommitTimeout, time, log).RunAsync(),
    ];

    stop.Token.Register(systemd.Stopping);
    await foreach (var ended in Task.WhenEach([.. stages, .. keeping]))
    {
        await ended; // A stage ends when the one before it completes. An exception is a bug: exit, and systemd restarts us.
        if (stages.All(stage => stage.IsCompleted))
        {
            await end.CancelAsync();
        }
    }

    log.Stopped("dts-worker");
    return 0;

    Task TakeOverAsync(SettingsReader again)
    {
        var read = WorkerSettings.Read(again);
        current = settings with { Labels = read.Labels, Slots = read.Slots, LogLevel = read.LogLevel };
        sessions.DescribeSoon();
        return inbox.TrySendAsync(new FireEvent.Reconfigured(read.Labels, read.Slots), end.Token);
    }

    Moment MomentNow()
    {
        var session = sessions.Current;
        var (wall, mayClaim) = clocks.Look();
        return new Moment(wall, session?.Lease, session?.HoldsFor ?? TimeSpan.Zero, mayClaim);
    }

    void Ready(int jobs)
    {
        if (jobs >= 10_000)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // Reading them has left more garbage than jobs.
        }

        log.Ready(jobs);
        systemd.Ready();
    }
});
