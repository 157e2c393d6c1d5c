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
            HostChecks.Unit("dts-worker", settings.DrainTimeout, WorkerChecks.JudgeUnit),
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
    using var ledger = LaunchLedger.Open(folder.Path, log);
    using var etcd = new EtcdClient(settings.Etcd, time, log);
    using var store = ILogWriter.Open(settings.Log, log);
    using var outputs = new LiveOutput(folder.Output, store, settings.OutputStoreLimitBytes, settings.LogRetention, time, log);
    var cgroups = RunCgroups.Open(settings, log); // Before there is any other process in this one's cgroup.
    var secrets = RunSecrets.Open(settings);
    using var commands = await HeldCommands.OpenAsync(folder.Holders, ThisProcess.Invocation("hold"), runAs.JobUser, log);

    var inbox = Channel.CreateBounded<ScheduleMessage>(1024); // full: the watches wait
    var fires = Channel.CreateBounded<FireOrder>(1024);       // full: the scheduler waits
    // full: the claimer waits. The alarm's thread starts what is due itself: it runs before those of the pool.
    var starts = Channel.CreateBounded<RunOrder>(new BoundedChannelOptions(1024) { AllowSynchronousContinuations = true });
    var endings = new EndingChannel(1024);                    // full: ended runs keep their slots a little longer
    var completed = Channel.CreateBounded<Ending>(1024);      // full: the recorder waits
    var appended = Channel.CreateBounded<bool>(1);            // full: the shipper has been told
    var left = Channel.CreateBounded<bool>(1);                // full: the reaper has been told
    // full: the loop looks at the time after each message
    using var planAlarm = new Alarm(_ => inbox.Writer.TryWrite(new ScheduleMessage.Tick()), time);
    using var claimAlarm = new Alarm(_ => fires.Writer.TryWrite(new FireOrder.Tick()), time);      // full: as above
    using var startAlarm = new Alarm(_ => starts.Writer.TryWrite(new RunOrder.Tick()), time);      // full: as above

    var slots = new Slots(settings.Slots);
    commands.AnswersChanged += () => slots.IsShut = !commands.Answers;
    var drain = new OwnDrain(log);
    var runs = new RunsInFlight();
    WorkerMeter.Watch(slots, runs, spool, refused);
    var recorder = new RecordWriter(id, host, settings.LogRetention);
    var accounts = new Accounts(keys, recorder, endings.Writer, log);
    using var clocks = new ClockCheck(id, time, log);
    var lost = new LostRuns(etcd, keys, accounts, clocks, log);
    var former = new FormerRuns(etcd, keys, id, runs, lost, time, log);
    former.Adopt(commands, ledger, outputs, cgroups);
    await former.KillLeftBehindAsync(commands, ledger, cgroups);
    secrets.RemoveLeft(commands, runs.All);
    outputs.TakeLeft();
    var started = time.GetUtcNow();
    string Describe() => Registration.Describe(
        host, current, started, time.GetUtcNow(), clocks.Refusal, WorkerMeter.Describe(figures, runs, spool, refused), drain.Why);
    var sessions = new SessionKeeper(
        etcd, keys.Worker(id), settings.SessionTtl, Describe, Registration.IsOver, former.SettleAsync, () => runs.All.Any(), log);

    drain.Changed += () =>
    {
        slots.IsDrained = drain.IsOn;
        sessions.DescribeSoon();
    };

    var pending = new PendingFires(settings.ClaimAhead, time);
    var inTheWay = new RunsInTheWay(etcd, keys, runs, pending);
    var requests = new ClaimRequests(
        etcd, keys, id, sessions, settings.ClaimAhead, slots, runs, clocks, pending, inTheWay,
        () => fires.Writer.TryWrite(new FireOrder.Tick()), time, log);

    var vitals = new Vitals(inbox.Writer, sessions, slots, spool, refused);
    using var end = new CancellationTokenSource(); // For what must outlive the last run.
    Task[] keeping =
    [
        sessions.RunAsync(end.Token),
        new Reaper(etcd, keys, id, sessions, former, lost, accounts, store, left.Reader, time, log).RunAsync(end.Token),
        outputs.RunAsync(end.Token),
        new CutOff(sessions, runs, commands, settings.SessionTtl, time).RunAsync(end.Token),
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
        new Scheduler(
            id, new Roster(id, settings.Labels), settings.ClaimAhead, inbox.Reader, fires.Writer, planAlarm, jobs => Ready(jobs),
            time, log).RunAsync(),
        new Claimer(pending, requests, id, sessions, zone, slots, runs, accounts, fires, starts.Writer, claimAlarm, time).RunAsync(),
        new Launcher(
            settings, () => settings.Drain || stop.IsInterrupt, runAs, cgroups, secrets, sessions, slots, runs, commands, ledger, recorder,
            outputs, starts, endings.Writer, startAlarm, time, log).RunAsync(),
        new Recorder(keys, endings.Reader, spool, appended.Writer, completed.Writer, time, log).RunAsync(),
        new Completer(etcd, keys, id, runs, commands, () => clocks.Now, completed.Reader, time, log).RunAsync(),
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
        slots.Total = read.Slots;
        sessions.DescribeSoon();
        return new ScheduleMessage.Relabelled(read.Labels).TrySendAsync(inbox.Writer, end.Token);
    }

    void Ready(int jobs)
    {
        log.Ready(jobs);
        systemd.Ready();
    }
});
