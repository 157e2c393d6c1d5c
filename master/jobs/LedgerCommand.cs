using System.Globalization;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging.Abstractions;
using Dts.Master.Logs;

namespace Dts.Master.Jobs;

/// <summary><c>dts-master ledger --job J --from A --to B</c>: prints every planned time with its ending.</summary>
internal static class LedgerCommand
{
    public const string Name = "ledger";

    private const int Faults = 1;
    private const int Unreadable = 2;

    /// <summary>True if the arguments have settings, with which to read etcd and the log instead of asking a master.</summary>
    public static bool IsMeant(string[] arguments) =>
        !arguments.Any(argument => argument is "--help" or "-h")
        && arguments.Any(argument => argument is "--job" or "--config" || argument.StartsWith("--job=", StringComparison.Ordinal));

    public static async Task<int> RunAsync(string[] arguments)
    {
        var reader = SettingsReader.Load(arguments, "master.json");
        var job = reader.Text("job", "", text => JobName.TryParse(text, out _, out _), "a job's name");
        var now = TimeProvider.System.GetUtcNow();
        var to = Moment(reader, "to", now);
        var from = Moment(reader, "from", Ledger.DayBefore(to));
        if (Ledger.FindFault(from, to) is { } fault)
        {
            throw new SettingsException(fault);
        }

        var settings = MasterSettings.Read(reader);
        reader.FindUnknown();

        using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, NullLogger.Instance);
        try
        {
            using var store = ILogReader.Open(settings.Log, mustExist: true);
            var ledger = new LedgerReader(
                etcd, settings.Keys, store, settings.DefaultZone, new ForeignValues(NullLogger.Instance), TimeProvider.System);
            var page = await ledger.ReadAsync(JobName.Parse(job), from, to, Ledger.LinesMax, CancellationToken.None)
                ?? throw new FormatException(LedgerReader.NotAJob(job));
            var lines = page.Lines;
            foreach (var line in lines)
            {
                Console.WriteLine(line);
            }

            if (page.Next is { } next)
            {
                Console.WriteLine($"{next}  more follow: ask again from here");
            }

            var judged = lines.Where(line => line.Note.Length == 0).ToList();
            var toCome = lines.Count(line => line.Note == LedgerLine.ToCome);
            var faults = judged.Count(line => line.Fault.Length > 0);
            Console.WriteLine(
                $"{judged.Count} planned, {judged.Count - faults} with one ending, {faults} without or with two"
                + (toCome > 0 ? $"; {toCome} to come" : ""));
            return faults == 0 ? 0 : Faults;
        }
        catch (Exception failure) when (failure is EtcdException or LogStoreException or StartException or FormatException)
        {
            await Console.Error.WriteLineAsync(failure.Message);
            return Unreadable;
        }
    }

    private static DateTimeOffset Moment(SettingsReader reader, string name, DateTimeOffset fallback) =>
        QueryTime.Parse(reader.Text(name, Cursor.Text(fallback), text => QueryTime.Parse(text) is not null, QueryTime.Expected))!.Value;
}

/// <summary>A time in a query or an argument: RFC 3339, with a date. Without a zone it is UTC; without a time it is midnight.</summary>
internal static class QueryTime
{
    public const string Expected = "a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22";

    private const int TickDigits = 7;

    private static readonly string[] Forms =
        ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd"];

    /// <summary>Null = the text is not a time. A fraction may have any number of digits; those beyond a tick are dropped.</summary>
    public static DateTimeOffset? Parse(string text) =>
        DateTimeOffset.TryParseExact(
            ToTicks(text.ToUpperInvariant()), Forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment)
            ? moment.ToUniversalTime()
            : null;

    private static string ToTicks(string text)
    {
        var begin = text.IndexOf('.', StringComparison.Ordinal) + 1;
        var digits = begin == 0 ? 0 : text.Skip(begin).TakeWhile(char.IsAsciiDigit).Count();
        return digits > TickDigits ? text.Remove(begin + TickDigits, digits - TickDigits) : text;
    }
}
