using Dts.Common.Doctor;
using Dts.Common.Hosting;
using Dts.Master;
using Dts.Master.Access;
using Dts.Master.Commands;
using Dts.Master.Jobs;

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

if (CommandLine.Has(args))
{
    return await commands.RunAsync(args);
}

return await Service.RunAsync(() => MasterHost.RunAsync(args));
