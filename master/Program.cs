using System.Net.Sockets;
using Dts.Common;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Master;
using Microsoft.AspNetCore.Server.Kestrel.Core;

if (args is [LedgerCommand.Name, ..])
{
    return await Service.RunAsync(() => LedgerCommand.RunAsync(args[1..]));
}

return await Service.RunAsync(async () =>
{
    var reader = SettingsReader.Load(args, "master.json");
    var settings = MasterSettings.Read(reader);
    using var loggers = Service.CreateLoggers(reader, "dts-master", out var log);

    using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, log);
    using var store = settings.Log.Open(log);
    var workers = new WorkerList(etcd, settings.Keys);
    var jobs = new JobStore(etcd, settings.Keys, settings.DefaultZone, TimeProvider.System);

    var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
    builder.Services.AddSingleton(loggers);
    builder.Services.AddRoutingCore();
    builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = OriginalApi.BodyBytesReadMax;
        kestrel.Limits.RequestHeadersTimeout = settings.ReadTimeout;
        kestrel.Listen(settings.Listen, settings.ApiPort, port => port.Protocols = HttpProtocols.Http1);
    });

    await using var app = builder.Build();
    app.Use(new RequestGuard(settings).CheckAsync);
    app.UseRouting();
    var gate = new RequestGate(settings, log);
    new OriginalApi(jobs, workers, store, gate, settings.DefaultZone, TimeProvider.System).Map(app);
    new JobApi(jobs, workers, new RunList(etcd, settings.Keys), store, gate, settings.DefaultZone, TimeProvider.System).Map(app);
    new LogApi(store, gate, TimeProvider.System).Map(app);
    new OutputApi(store, etcd, settings.Keys, TimeProvider.System).Map(app);
    ConsolePage.Map(app);
    Health.Map(app, etcd, settings.Keys);

    try
    {
        await app.StartAsync();
    }
    catch (Exception failure) when (failure is IOException or SocketException)
    {
        throw new SettingsException($"setting apiPort: cannot listen on {settings.Listen}:{settings.ApiPort} ({failure.Message}); expected an address of this host and a free port");
    }

    log.Listening(settings.Listen, settings.ApiPort);
    SystemdNotifier.Ready();
    await app.WaitForShutdownAsync();
    SystemdNotifier.Stopping();
    log.Stopped("dts-master");
    return 0;
});
