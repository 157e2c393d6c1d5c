using System.Net.Sockets;
using System.Threading.Channels;
using Dts.Common.Doctor;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Metrics;
using Dts.Master;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Api;
using Dts.Master.Audit;
using Dts.Master.Commands;
using Dts.Master.Events;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Metrics;
using Dts.Master.Versions;
using Dts.Master.Views;
using Microsoft.AspNetCore.Server.Kestrel.Core;

Service.HideFromCommands();
if (args is [DoctorCommand.Name, ..])
{
    return await Service.RunAsync(() => DoctorCommand.RunAsync(args[1..], "master.json", reader =>
    {
        var settings = MasterSettings.Read(reader);
        return
        [
            .. EtcdChecks.Of(settings.Etcd, settings.Keys),
            LogStoreChecks.Of(settings.Log),
            HostChecks.TimeZones(settings.DefaultZone),
            HostChecks.Unit("dts-master", TimeSpan.FromSeconds(30)),
            NginxCheck.Of(settings.ApiPort, cancel => AccessStore.IsAskedAsync(settings, cancel)),
        ];
    }));
}

var commands = new CommandLine(
    Terminal.OfProcess(),
    Environment.GetEnvironmentVariable,
    () => SettingsReader.ListDefaults(reader => MasterSettings.Read(reader)));
if (Service.Answer(args, "dts-master", "serves the API and the console of the distributed crontab", commands.Lines) is { } answered)
{
    return answered;
}

if (args is [LedgerCommand.Name, ..] && LedgerCommand.IsMeant(args))
{
    return await Service.RunAsync(() => LedgerCommand.RunAsync(args[1..]));
}

if (commands.Has(args))
{
    return await commands.RunAsync(args);
}

return await Service.RunAsync(async () =>
{
    var reader = SettingsReader.Load(args, "master.json");
    var settings = MasterSettings.Read(reader);
    var current = settings; // What a reload changes is read from here.
    using var loggers = Service.CreateLoggers(reader, "dts-master", () => current.LogLevel, out var log);
    var systemd = SystemdNotifier.Find();
    using var reload = new Reload(systemd);

    using var figures = new FigureTable();
    using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, log);
    var storeDeadline = (settings.ReadTimeout + settings.WriteTimeout) * 0.9; // Shortly before a request's own deadline.
    using var store = new StoreGate(ILogReader.Open(settings.Log), storeDeadline, TimeProvider.System);
    var workers = new WorkerList(etcd, settings.Keys);
    var foreign = new ForeignValues(log);
    var requests = new HttpContextAccessor();
    using var versions = IVersionStore.Open(settings.Log, settings.VersionRetention);
    var waiting = new WaitingVersions(etcd, settings.Keys, foreign.Report);
    using var history = new VersionHistory(waiting, versions, TimeProvider.System);
    var former = new FormerJobs(history, async (name, cancel) => await store.ListAsync(name, 0, 1, cancel) is [_, ..]);
    var jobs = new JobStore(
        etcd,
        settings.Keys,
        settings.DefaultZone,
        TimeProvider.System,
        foreign,
        () => CallerRights.RightsOf(Caller.Of(requests.HttpContext), former, AuditNotes.Of(requests.HttpContext).NoteChange));
    var view = new ClusterView(new ClusterState(settings.Keys, settings.DefaultZone));
    var feed = new EventFeed(TimeProvider.System);
    view.Observe((state, changes) => feed.Take(view, state, changes));
    var alertKeys = new AlertKeys(settings.Keys);
    var board = new AlertBoard(alertKeys, (change, why) => foreign.Report(change.Key, change.ModRevision, why));
    var ledger = new LedgerReader(etcd, settings.Keys, store, settings.DefaultZone, foreign, TimeProvider.System);
    var alertStore = new AlertStore(board, etcd, alertKeys, TimeProvider.System);
    var alerts = new AlertKeeper(board, alertStore, view, feed, TimeProvider.System, log);
    var alertLedger = new AlertLedger(alertStore, ledger, TimeProvider.System);
    var alertClock = new AlertClock(alerts, board, alertStore, view, alertLedger, TimeProvider.System);
    view.Observe((_, changes) => alerts.Take(changes));
    var channels = new Channels(settings.AlertChannels, log);
    using var channelSender = new ChannelSender(channels, TimeProvider.System);
    var notices = new AlertNotices(store, settings.PublicUrl, TimeProvider.System);
    var alertSender = new AlertSender(board, alertStore, channelSender, notices, TimeProvider.System, log);
    using var loads = new ScheduleLoads(TimeProvider.System);

    var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
    builder.Services.AddSingleton(loggers);
    builder.Services.AddSingleton<IHttpContextAccessor>(requests);
    builder.Services.AddRoutingCore();
    ApiDescription.AddTo(builder.Services);
    builder.Services.ConfigureHttpJsonOptions(json => ApiJson.Apply(json.SerializerOptions));
    builder.Services.Configure<RouteHandlerOptions>(handlers => handlers.ThrowOnBadRequest = true); // The gate explains it.
    builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = RequestBody.BytesReadMax;
        kestrel.Limits.RequestHeadersTimeout = settings.ReadTimeout;
        kestrel.Listen(settings.Listen, settings.ApiPort, port => port.Protocols = HttpProtocols.Http1);
    });

    await using var app = builder.Build();
    using var refused = new RefusedTokens(TimeProvider.System, log);
    var table = new AccessTable(settings.Keys, TimeProvider.System);
    var access = new AccessKeeper(table, etcd, settings.Keys, foreign);
    var credentials = new Credentials(settings, table, () => access.CutOff);
    // full: a record is only in the journal, and the next line of the writer says so
    var audited = Channel.CreateBounded<AuditRecord>(AuditWriter.WaitingMax);
    using var audit = IAuditStore.Open(settings.Log, settings.AuditRetention);
    var trail = new AuditTrail(credentials, audited.Writer, TimeProvider.System, log);
    app.Use(RequestGate.AllowHeadAsync);
    app.UseRouting();
    app.Use(trail.NoteAsync);
    var people = new AccessStore(etcd, settings.Keys, TimeProvider.System);
    var uses = new TokenUses(table, people, TimeProvider.System);
    app.Use(new RequestGuard(settings, () => current.AllowedOrigins, refused, credentials, uses.Note).CheckAsync);
    app.Use(RoleGate.CheckAsync);
    var gate = new RequestGate(settings, log);
    app.Use(gate.GuardApiAsync);
    var visible = new VisibleJobs(view, former);
    app.Use(new ScopeGate(view, jobs, former).CheckAsync);
    new OriginalApi(jobs, workers, store, visible, gate, settings.DefaultZone).Map(app);
    var v1 = ApiDescription.MapV1(app);
    using var signIn = new SignIn(table, TimeProvider.System);
    new SessionApi(credentials, table, people, signIn, refused).Map(v1);
    new AuditApi(audit).Map(v1);
    new PeopleApi(people, table, credentials).Map(v1);
    new JobListApi(view, TimeProvider.System).Map(v1);
    new BulkApi(view, jobs, TimeProvider.System).Map(v1);
    var runs = new RunRequests(jobs, new RequestLease(etcd, TimeProvider.System), store, TimeProvider.System);
    var saves = new JobSaves(jobs, workers, history, settings.DefaultZone, TimeProvider.System);
    new JobResource(jobs, saves, runs).Map(v1);
    new PreviewApi(settings.DefaultZone, TimeProvider.System).Map(v1);
    new LedgerApi(jobs, ledger, TimeProvider.System).Map(v1);
    var oneRun = new RunReader(etcd, settings.Keys, store, jobs, TimeProvider.System);
    new RunsApi(view, visible, oneRun, jobs, store, TimeProvider.System).Map(v1);
    new ScheduleApi(view, loads, TimeProvider.System).Map(v1);
    new JobStatsApi(jobs, store, TimeProvider.System).Map(v1);
    new OutputApi(jobs, store, etcd, settings.Keys, TimeProvider.System).Map(v1);
    new WorkersApi(view, etcd, settings.Keys, TimeProvider.System).Map(v1);
    new StatusApi(etcd, settings.Keys, store, settings.DefaultZone.Id, TimeProvider.System).Map(v1);
    new EventsApi(feed, TimeProvider.System).Map(v1);
    new AlertsApi(board, alerts, alertSender, channels, view, etcd, alertKeys, TimeProvider.System).Map(v1);
    new VersionsApi(jobs, saves, history).Map(v1);
    new ImportApi(jobs, settings.DefaultZone, TimeProvider.System).Map(v1);
    ConsolePage.Map(app);
    Health.Map(app, etcd, settings.Keys);
    new MetricsPage(view, figures, TimeProvider.System).Map(app);

    var knowing = access.RunAsync(app.Lifetime.ApplicationStopping);
    await access.WaitAsync(settings.Etcd.CallTimeout);
    if (table.IsListed)
    {
        settings.ThrowIfOpenToOthers(reader, table.HasRecords);
    }

    try
    {
        await app.StartAsync();
    }
    catch (Exception failure) when (failure is IOException or SocketException)
    {
        var wrong = $"settings listen, apiPort: cannot listen on {settings.Listen}:{settings.ApiPort} ({failure.Message}); "
            + "expected an address of this host and a free port";
        throw failure is SocketException { SocketErrorCode: SocketError.AccessDenied }
            ? new SettingsException(wrong)
            : new StartException(wrong);
    }

    log.Listening(settings.Listen, settings.ApiPort);
    systemd.Ready();
    using var vitals = new Vitals(settings, etcd);
    Task[] keeping =
    [
        KeepViewAsync(app.Lifetime.ApplicationStopping),
        alerts.RunAsync(app.Lifetime.ApplicationStopping),
        alertClock.RunAsync(app.Lifetime.ApplicationStopping),
        alertSender.RunAsync(app.Lifetime.ApplicationStopping),
        feed.RunAsync(view, app.Lifetime.ApplicationStopping),
        knowing,
        uses.RunAsync(app.Lifetime.ApplicationStopping),
        new AuditWriter(audited.Reader, trail, audit, TimeProvider.System, log).RunAsync(app.Lifetime.ApplicationStopping),
        new VersionMover(etcd, waiting, versions, TimeProvider.System, log).RunAsync(app.Lifetime.ApplicationStopping),
        new Heartbeat(systemd, vitals.ProveAsync, vitals.DescribeAsync, TimeProvider.System).RunAsync(app.Lifetime.ApplicationStopping),
        reload.RunAsync(
            reader,
            () => SettingsReader.Load(args, "master.json"),
            MasterSettings.Reloadable,
            TakeOver,
            log,
            app.Lifetime.ApplicationStopping),
    ];
    app.Lifetime.ApplicationStopping.Register(systemd.Stopping);
    await foreach (var ended in Task.WhenEach([app.WaitForShutdownAsync(), .. keeping]))
    {
        await ended; // An exception is a bug: exit, and systemd restarts us.
    }

    log.Stopped("dts-master");
    return 0;

    async Task KeepViewAsync(CancellationToken stop)
    {
        await alerts.Listed.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // It judges what the view reads.
        await new ViewKeeper(view, etcd, settings.Keys, store, foreign, TimeProvider.System, log).RunAsync(stop);
    }

    Task TakeOver(SettingsReader again)
    {
        var read = MasterSettings.Read(again);
        if (table.IsListed)
        {
            read.ThrowIfOpenToOthers(again, table.HasRecords);
        }

        current = settings with { AllowedOrigins = read.AllowedOrigins, LogLevel = read.LogLevel };
        return Task.CompletedTask;
    }
});
