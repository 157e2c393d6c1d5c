using System.Globalization;
using System.Threading.Channels;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>
/// What a busy log adds to the lag of starts: the worker's alarm and the process that holds its commands, beside its spool and shipper with
/// and without records. <c>make bench ARGS=log-lag</c>
/// </summary>
internal static class LagFigures
{
    private const int RecordsPerSecond = 5000;
    private const int BatchSize = 1000;
    private const string OwnClock = "echo $EPOCHREALTIME"; // A bash variable: the shell reads the clock as soon as it can.

    private static readonly TimeSpan BetweenStarts = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BetweenAppends = TimeSpan.FromMilliseconds(20);

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        await using var server = new DocumentServer { BuildsIndexes = true };
        await server.InitializeAsync();
        using var sqlite = new SqliteLogStore(folder.File("log.db"));
        using var mongo = new MongoLogStore(server.Uri, TimeSpan.FromSeconds(30), NullLogger.Instance);
        return new Findings(
            [
                .. await CompareAsync(folder.Path, "SQLite", sqlite, effort),
                .. await CompareAsync(folder.Path, server.Kind, mongo, effort),
            ],
            $"{1 / BetweenStarts.TotalSeconds:F0} starts a second, with and without records through spool, shipper and store, turn about.");
    }

    private static async Task<IEnumerable<Figure>> CompareAsync(string folder, string name, ILogStore store, Effort effort)
    {
        var time = TimeSpan.FromSeconds(effort.Of(8, 1));
        using var commands = await HeldCommands.OpenAsync(
            Path.Combine(folder, $"holders-{name}"), [Path.Combine(ClusterHost.Bin, "dts-worker"), "hold"]);
        using var spool = Spool.Open(Path.Combine(folder, $"spool-{name}"), 1L << 30, NullLogger.Instance);
        var appended = Channel.CreateBounded<bool>(1);
        var shipping = new LogShipper(
            spool,
            new RefusedRecords(Path.Combine(folder, "refused")),
            store,
            appended.Reader,
            BatchSize,
            TimeSpan.FromSeconds(1),
            TimeProvider.System,
            NullLogger.Instance).RunAsync();
        var (idle, busy) = (new List<(double Ours, double Own)>(), new List<(double Ours, double Own)>());
        await StartAsync(commands, TimeSpan.FromSeconds(2)); // The first ones pay for what is loaded with them.
        var fed = 0L;
        var records = LogRecords.Until(DateTimeOffset.UtcNow, 1_000_000);
        for (var round = 0; round < effort.Of(6, 1); round++)
        {
            idle.AddRange(await StartAsync(commands, time));
            using var end = new CancellationTokenSource();
            var feeding = Task.Run(() => FeedAsync(spool, appended.Writer, records, fed, end.Token));
            busy.AddRange(await StartAsync(commands, time));
            await end.CancelAsync();
            fed += await feeding;
            await Patience.Until(() => spool.Waiting == 0, () => $"{spool.Waiting} records wait");
        }

        appended.Writer.Complete();
        await shipping;
        var rate = $"{name} beside {fed / (effort.Of(6, 1) * time.TotalSeconds):N0} records/s";
        return
        [
            new Figure(
                $"{rate}: lag by the worker's clock, p50 / p90 / p99, ms", Quantiles.Of(busy.Select(start => start.Ours), 50, 90, 99))
                .Beside("none", Quantiles.Of(idle.Select(start => start.Ours), 50, 90, 99)),
            new Figure(
                $"{rate}: lag by the command's clock, p50 / p90 / p99, ms", Quantiles.Of(busy.Select(start => start.Own), 50, 90, 99))
                .Beside("none", Quantiles.Of(idle.Select(start => start.Own), 50, 90, 99)),
        ];
    }

    /// <summary>
    /// Starts commands as the launcher does, and returns how late each was, in milliseconds, by our clock and by its own.
    /// </summary>
    private static async Task<List<(double Ours, double Own)>> StartAsync(HeldCommands commands, TimeSpan duration)
    {
        var due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { AllowSynchronousContinuations = true });
        using var alarm = new Alarm(_ => due.Writer.TryWrite(true));
        var started = new List<(DateTimeOffset Plan, RunningCommand Command)>();
        var plan = DateTimeOffset.FromUnixTimeMilliseconds(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 100);
        for (var end = plan + duration; plan < end; plan += BetweenStarts)
        {
            var id = $"lag/{plan.ToUnixTimeMilliseconds()}";
            commands.Prepare(id, "", new ShellCommand { Script = OwnClock, Environment = CommandEnvironment.Clean("/bin/bash") });
            alarm.Set(plan.ToUnixTimeMilliseconds());
            await due.Reader.ReadAsync();
            started.Add((plan, (await commands.StartAsync([id], Environment.TickCount64 + 60_000))[0]));
        }

        var lags = new List<(double, double)>();
        foreach (var (planned, command) in started)
        {
            var own = double.Parse((await command.Ended).Output, CultureInfo.InvariantCulture) * 1000;
            lags.Add(((command.StartedAt - planned).TotalMilliseconds, own - planned.ToUnixTimeMilliseconds()));
        }

        return lags;
    }

    /// <summary>Appends records as the recorder does, many with one fsync, until told to end; returns how many.</summary>
    private static async Task<long> FeedAsync(
        Spool spool, ChannelWriter<bool> appended, LogRecords records, long from, CancellationToken end)
    {
        var begun = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(BetweenAppends);
        var count = 0L;
        while (!end.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync(CancellationToken.None);
            var owed = (long)(TimeProvider.System.GetElapsedTime(begun).TotalSeconds * RecordsPerSecond) - count;
            spool.Append(records.Batch(from + count, (int)owed));
            appended.TryWrite(true);
            count += owed;
        }

        return count;
    }
}
