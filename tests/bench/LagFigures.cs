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
    private const int Rounds = 6;
    private const int BatchSize = 1000;
    private const string OwnClock = "echo $EPOCHREALTIME"; // A bash variable: the shell reads the clock as soon as it can.

    private static readonly TimeSpan Round = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan BetweenStarts = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan BetweenAppends = TimeSpan.FromMilliseconds(20);

    public static async Task RunAsync()
    {
        var folder = Directory.CreateTempSubdirectory("dts-bench-lag-");
        await using var server = new DocumentServer { BuildsIndexes = true };
        await server.InitializeAsync();
        try
        {
            Console.WriteLine(
                $"{Environment.ProcessorCount} cores, {DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC: "
                    + $"{1 / BetweenStarts.TotalSeconds:F0} starts a second; rounds of {Round.TotalSeconds} s, turn about\n");
            Console.WriteLine(
                "| the log | starts | records shipped, a second | lag by our clock p50 / p90 / p99, ms | by the command's |\n"
                    + "|---|--:|--:|--:|--:|");
            using var sqlite = new SqliteLogStore(Path.Combine(folder.FullName, "log.db"));
            using var mongo = new MongoLogStore(server.Uri, TimeSpan.FromSeconds(30), NullLogger.Instance);
            await CompareAsync(folder.FullName, "SQLite", sqlite);
            await CompareAsync(folder.FullName, server.Kind, mongo);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task CompareAsync(string folder, string name, ILogStore store)
    {
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
        var (idle, busy) = (new List<(double, double)>(), new List<(double, double)>());
        await StartAsync(commands, TimeSpan.FromSeconds(2)); // The first ones pay for what is loaded with them.
        var fed = 0L;
        for (var round = 0; round < Rounds; round++)
        {
            idle.AddRange(await StartAsync(commands, Round));
            using var end = new CancellationTokenSource();
            var feeding = Task.Run(() => FeedAsync(spool, appended.Writer, fed, end.Token));
            busy.AddRange(await StartAsync(commands, Round));
            await end.CancelAsync();
            fed += await feeding;
            await Patience.Until(() => spool.Waiting == 0, () => $"{spool.Waiting} records wait");
        }

        appended.Writer.Complete();
        await shipping;
        Console.WriteLine(
            $"| {name}, idle | {idle.Count} | 0 | {Spread(idle.Select(start => start.Item1))} | "
                + $"{Spread(idle.Select(start => start.Item2))} |");
        Console.WriteLine(
            $"| {name}, busy | {busy.Count} | {fed / (Rounds * Round.TotalSeconds):F0} | {Spread(busy.Select(start => start.Item1))} | "
                + $"{Spread(busy.Select(start => start.Item2))} |");
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
    private static async Task<long> FeedAsync(Spool spool, ChannelWriter<bool> appended, long from, CancellationToken end)
    {
        var begun = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(BetweenAppends);
        var count = 0L;
        while (!end.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync(CancellationToken.None);
            var owed = (long)(TimeProvider.System.GetElapsedTime(begun).TotalSeconds * RecordsPerSecond) - count;
            spool.Append(LogFigures.Batch(from + count, (int)owed));
            appended.TryWrite(true);
            count += owed;
        }

        return count;
    }

    private static string Spread(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{sorted[sorted.Length / 2]:F2} / {sorted[sorted.Length * 90 / 100]:F2} / {sorted[sorted.Length * 99 / 100]:F2}");
    }
}
