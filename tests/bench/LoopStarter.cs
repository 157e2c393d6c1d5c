using System.Diagnostics;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>No scheduler: two shell loops that start the commands in the background, one after the other.</summary>
internal sealed class LoopStarter(string folder) : IStarter
{
    private const int RoundsPerSecond = 2;

    private const string Loops = """
        export DTS_PLAN_TIME
        for ((round = 0; round < $2; round++)); do
            DTS_PLAN_TIME=$EPOCHREALTIME
            for loop in 1 2; do
                (for ((n = 0; n < $3; n++)); do /bin/bash -c "$1" & done; wait) &
            done
            wait
            sleep 0.3
        done
        """;

    private int _rounds;

    public string Name => "two shell loops";

    public int AheadMs(int atOnce) => 0;

    public async Task<Lags> StartAsync(int atOnce, long from, int seconds)
    {
        var clock = new ClockFile(Path.Combine(folder, $"loops-{_rounds++}"));
        var rounds = seconds * RoundsPerSecond;
        await ClusterFigures.TimeIs(from);
        using var bash = Process.Start("/bin/bash", ["-c", Loops, "loops", clock.Command, $"{rounds}", $"{Math.Max(1, atOnce / 2)}"]);
        await bash.WaitForExitAsync().WaitAsync(Patience.Limit);
        return new Lags([.. clock.Read(0, long.MaxValue).Select(start => start.At - start.Plan)], rounds * atOnce);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
