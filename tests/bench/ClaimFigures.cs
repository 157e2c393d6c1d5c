namespace Dts.Bench;

/// <summary>How many claims a second a cluster takes that starts nothing. <c>make bench ARGS=claims</c></summary>
internal static class ClaimFigures
{
    private const string Notes =
        """
        A claim is the worker's own transaction: it compares session, job, cursor and runs in flight, moves the cursor and puts a run.
        Sixty go in a request and four requests at once, as a worker sends them. A lock is what the original program took for each fire: a
        lease, a transaction that puts a key with it if there is none, and the lease revoked. Locks and puts use the number of callers
        with the highest rate. One client does all this, compiled at run time, on the processors that etcd uses too.
        """;

    private static readonly int[] CallersTried = [16, 64, 256];

    public static async Task<Findings> MeasureAsync(Effort effort) => new(
        [.. await MeasureAsync(members: 1, effort), .. await MeasureAsync(members: 3, effort)], Notes);

    private static async Task<IEnumerable<Figure>> MeasureAsync(int members, Effort effort)
    {
        using var cluster = await EtcdMembers.StartAsync(members);
        using var etcd = cluster.Connect();
        var rounds = await ClaimRounds.PrepareAsync(etcd, effort.Of(20_000, 300));
        var time = TimeSpan.FromSeconds(effort.Of(1, 0.2));
        var lockers = await Callers.FindBestAsync(CallersTried, time / 2, rounds.LockAsync);
        var putters = await Callers.FindBestAsync(CallersTried, time / 2, rounds.PutAsync);
        var paces = await Callers.TakeTurnsAsync(
            effort.Rounds,
            rounds.ClaimAsync,
            () => Callers.RunAsync(lockers, time, rounds.LockAsync),
            () => Callers.RunAsync(putters, time, rounds.PutAsync));

        var what = members == 1 ? "one etcd member" : $"{members} etcd members";
        var claims = new Figure($"{what}: claims/s", Rates(paces[0]));
        return
        [
            claims.Beside($"locks by {lockers} callers", Rates(paces[1])).Should(Bound.AtLeastTimes(20)),
            claims.Beside($"puts by {putters} callers", Rates(paces[2])).Should(Bound.AtLeastTimes(3)),
            new Figure($"{what}: the client's CPU for a claim, µs", Cpu(paces[0])).Beside("a put", Cpu(paces[2])),
        ];
    }

    private static Series Rates(IEnumerable<Pace> paces) => Series.Of(paces.Select(pace => pace.PerSecond));

    private static Series Cpu(IEnumerable<Pace> paces) => Series.Of(paces.Select(pace => pace.CpuMicroseconds));
}
