using System.Net.Sockets;
using Dts.Common.Hosting;
using Dts.Master.Access;
using Dts.Master.Api;
using Dts.Master.Audit;
using Dts.Master.Jobs;
using Dts.Master.Metrics;
using Dts.Master.Versions;
using Dts.Master.Views;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Dts.Master;

/// <summary>Runs a master: its API and console, and the loops beside them.</summary>
internal static class MasterHost
{
    public static async Task<int> RunAsync(string[] args)
    {
        using var parts = new MasterParts(SettingsReader.Load(args, "master.json"));
        parts.View.Observe((state, changes) => parts.Feed.Take(parts.View, state, changes));
        parts.View.Observe((_, changes) => parts.Alerts.Take(changes));
        await using var app = Build(parts);
        Guard(app, parts);
        Map(app, parts);

        var stop = app.Lifetime.ApplicationStopping;
        var access = parts.Access.RunAsync(stop);
        await parts.Access.WaitAsync(parts.Settings.Etcd.CallTimeout);
        ThrowIfOpenToOthers(parts, parts.Settings, parts.Reader);
        await ListenAsync(app, parts.Settings);
        parts.Log.Listening(parts.Settings.Listen, parts.Settings.ApiPort);
        parts.Systemd.Ready();
        stop.Register(parts.Systemd.Stopping);
        await foreach (var ended in Task.WhenEach([app.WaitForShutdownAsync(), access, .. StartLoops(parts, args, stop)]))
        {
            await ended; // An exception is a bug: exit, and systemd restarts us.
        }

        parts.Log.Stopped("dts-master");
        return 0;
    }

    private static WebApplication Build(MasterParts parts)
    {
        var settings = parts.Settings;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(parts.Loggers);
        builder.Services.AddSingleton<IHttpContextAccessor>(parts.Requests);
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
        return builder.Build();
    }

    /// <summary>The steps that each request passes before its handler.</summary>
    private static void Guard(WebApplication app, MasterParts parts)
    {
        var origins = () => parts.Current.AllowedOrigins;
        app.Use(RequestGate.AllowHeadAsync);
        app.UseRouting();
        app.Use(parts.Trail.NoteAsync);
        app.Use(new RequestGuard(origins, parts.Refused, parts.Credentials, parts.Uses.Note).CheckAsync);
        app.Use(RoleGate.CheckAsync);
        app.Use(parts.Gate.GuardApiAsync);
        app.Use(new ScopeGate(parts.View, parts.Jobs, parts.Former).CheckAsync);
    }

    private static void Map(WebApplication app, MasterParts parts)
    {
        var (jobs, view, store, etcd, keys, time) =
            (parts.Jobs, parts.View, parts.Store, parts.Etcd, parts.Keys, parts.Time);
        new OriginalApi(jobs, parts.Workers, store, parts.Visible, parts.Gate, parts.Zone).Map(app);
        var v1 = ApiDescription.MapV1(app);
        new SessionApi(parts.Credentials, parts.Table, parts.People, parts.Own(new SignIn(parts.Table, time)), parts.Refused).Map(v1);
        new AuditApi(parts.Audit).Map(v1);
        new PeopleApi(parts.People, parts.Table, parts.Credentials).Map(v1);
        new JobListApi(view, parts.Board, time).Map(v1);
        var runs = new RunRequests(jobs, new RequestLease(etcd, time), store, time);
        new BulkApi(view, jobs, runs, time).Map(v1);
        var saves = new JobSaves(jobs, parts.Workers, parts.History, parts.Zone, time);
        new JobResource(jobs, saves, runs).Map(v1);
        new LedgerApi(jobs, parts.Ledger, time).Map(v1);
        new RunsApi(view, parts.Visible, new RunReader(etcd, keys, store, jobs, parts.Foreign, time), jobs, store, time).Map(v1);
        new ScheduleApi(view, parts.Own(new ScheduleLoads(time)), parts.Zone, time).Map(v1);
        new JobStatsApi(jobs, store, time).Map(v1);
        new OutputApi(jobs, store, etcd, keys, time).Map(v1);
        new WorkersApi(view, etcd, keys, time).Map(v1);
        new StatusApi(etcd, keys, store, parts.Zone.Id, time).Map(v1);
        new EventsApi(parts.Feed, time).Map(v1);
        new AlertsApi(parts.Board, parts.Alerts, parts.AlertSender, parts.Channels, view, etcd, parts.AlertKeys, time).Map(v1);
        new VersionsApi(jobs, saves, parts.History).Map(v1);
        var sets = new JobSets(jobs, etcd, keys);
        new ImportApi(sets, parts.Zone, time).Map(v1);
        new ApplyApi(jobs, sets, parts.Zone, time).Map(v1);
        ConsolePage.Map(app);
        Health.Map(app, etcd, keys);
        new MetricsPage(view, parts.Figures).Map(app);
    }

    private static async Task ListenAsync(WebApplication app, MasterSettings settings)
    {
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
    }

    private static Task[] StartLoops(MasterParts parts, string[] args, CancellationToken stop)
    {
        var check = parts.Own(new SelfCheck(parts.Settings, parts.Etcd));
        return
        [
            KeepViewAsync(parts, stop),
            parts.Alerts.RunAsync(stop),
            parts.AlertClock.RunAsync(stop),
            parts.AlertSender.RunAsync(stop),
            parts.Feed.RunAsync(parts.View, stop),
            parts.Uses.RunAsync(stop),
            new AuditWriter(parts.Audited.Reader, parts.Trail, parts.Audit, parts.Time, parts.Log).RunAsync(stop),
            new VersionMover(parts.Etcd, parts.Waiting, parts.Versions, parts.Time, parts.Log).RunAsync(stop),
            new Heartbeat(parts.Systemd, check.ProveAsync, check.DescribeAsync, parts.Time).RunAsync(stop),
            parts.Reload.RunAsync(
                parts.Reader,
                () => SettingsReader.Load(args, "master.json"),
                MasterSettings.Reloadable,
                reader => TakeOver(parts, reader),
                parts.Log,
                stop),
        ];
    }

    private static async Task KeepViewAsync(MasterParts parts, CancellationToken stop)
    {
        // Alerts judge the endings that the view reads.
        await parts.Alerts.Listed.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var keeper = new ViewKeeper(parts.View, parts.Etcd, parts.Keys, parts.Store, parts.Foreign, parts.Time, parts.Log);
        await keeper.RunAsync(parts.Clocks, stop);
    }

    private static Task TakeOver(MasterParts parts, SettingsReader reader)
    {
        var read = MasterSettings.Read(reader);
        ThrowIfOpenToOthers(parts, read, reader);
        parts.Current = parts.Settings with { AllowedOrigins = read.AllowedOrigins, LogLevel = read.LogLevel };
        return Task.CompletedTask;
    }

    /// <remarks>Until people and tokens are known, nobody is let in.</remarks>
    private static void ThrowIfOpenToOthers(MasterParts parts, MasterSettings settings, SettingsReader reader)
    {
        if (parts.Table.IsListed)
        {
            settings.ThrowIfOpenToOthers(reader, parts.Table.HasRecords);
        }
    }
}
