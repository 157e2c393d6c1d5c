using System.Globalization;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Master;

/// <summary><c>dts-master ledger --job J --from A --to B</c>: prints every planned time with its ending.</summary>
internal static class LedgerCommand
{
    public const string Name = "ledger";

    /// <summary>1 = a planned time has no ending, or two; 2 = the ledger could not be read.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var reader = SettingsReader.Load(arguments, "master.json");
        var job = reader.Text("job", "", text => JobName.TryParse(text, out _, out _), "a job's name");
        var to = Moment(reader, "to", DateTimeOffset.UtcNow);
        var from = Moment(reader, "from", to.AddDays(-1));
        var settings = MasterSettings.Read(reader);
        reader.FindUnknown();

        using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, NullLogger.Instance);
        using var store = settings.Log.Open(NullLogger.Instance);
        var jobs = new JobStore(etcd, settings.Keys, settings.DefaultZone, TimeProvider.System);
        try
        {
            var lines = await JobApi.ReadLedgerAsync(jobs, store, settings.DefaultZone, JobName.Parse(job), from, to, CancellationToken.None);
            foreach (var line in lines)
            {
                Console.WriteLine(line);
            }

            var faults = lines.Count(line => line.Fault.Length > 0);
            Console.WriteLine($"{lines.Count} planned, {lines.Count - faults} with one ending, {faults} without or with two{(lines.Count == Ledger.LinesMax ? "; there are more" : "")}");
            return faults == 0 ? 0 : 1;
        }
        catch (Exception failure) when (failure is EtcdException or LogStoreException)
        {
            await Console.Error.WriteLineAsync(failure.Message);
            return 2;
        }
    }

    /// <summary>Null = it is no time.</summary>
    public static DateTimeOffset? ParseMoment(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment.ToUniversalTime() : null;

    private static DateTimeOffset Moment(SettingsReader reader, string name, DateTimeOffset fallback) =>
        ParseMoment(reader.Text(name, Cursor.Text(fallback), text => ParseMoment(text) is not null, "a time such as 2026-11-22T10:00:00Z"))!.Value;
}
