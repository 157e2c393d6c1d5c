using System.Diagnostics;
using System.Globalization;
using Dts.Common.Etcd;
using Etcdserverpb;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// How many fires a second an in-memory etcd takes on one core: each is claimed, among sixty, and completed, among a hundred. Run it with
/// <c>-class Dts.Tests.Simulation.SimEtcdFigures -explicit only -showLiveOutput</c>, built with <c>-c Release</c>.
/// </summary>
public sealed class SimEtcdFigures
{
    private const int ClaimsInRequest = 60;
    private const int CompletionsInRequest = 100;
    private const int Fires = 200_000;
    private const string Definition = """{"name":"job-0000001","command":"echo hello","cronExpr":"* * * * * *","overlap":"forbid"}""";
    private const string Run =
        """{"worker":"w1","session":"694d9a1e3a5c1f07","claimed":"2026-11-22T09:59:58.9Z","run":{"planTime":"2026-11-22T10:00:00Z"}}""";

    [Theory(Explicit = true)]
    [InlineData(20_000)]
    [InlineData(500_000)] // A job and its cursor each: a million keys.
    public void Fires_a_second(int jobs)
    {
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        var etcd = new SimEtcd();
        for (var job = 0; job < jobs; job++)
        {
            etcd.Txn(Txn.All([Txn.Put($"/cron/jobs/job-{job:0000000}", Definition), Txn.Put(Cursor(job), Time(0))]));
        }

        etcd.Compact(new CompactionRequest { Revision = etcd.Revision });
        memory = GC.GetTotalMemory(forceFullCollection: true) - memory;
        var watch = etcd.Watch(new WatchCreateRequest { Key = Txn.Bytes("/cron/runs/"), RangeEnd = Txn.EndOf("/cron/runs/") });
        var (all, inside, events) = (Stopwatch.StartNew(), new Stopwatch(), 0);
        for (var (fires, second) = (0, 1); fires < Fires; second++)
        {
            var due = Enumerable.Range(0, Math.Min(jobs, Fires - fires)).ToList();
            var granted = Send(etcd, inside, due.Chunk(ClaimsInRequest).Select(chunk => Around(chunk.Select(job => Claim(job, second)))));
            var completed = Send(
                etcd, inside, due.Chunk(CompletionsInRequest).Select(chunk => Txn.All(chunk.Select(job => Complete(job, second)))));
            Assert.Equal((due.Count, due.Count), (granted, completed));
            inside.Start();
            while (watch.Read() is { } answer)
            {
                events += answer.Events.Count;
            }

            etcd.Compact(new CompactionRequest { Revision = etcd.Revision });
            inside.Stop();
            fires += due.Count;
        }

        Assert.Equal(2 * Fires, events);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{jobs} jobs: {Fires / inside.Elapsed.TotalSeconds:F0} fires a second, {Fires / all.Elapsed.TotalSeconds:F0} with "
                + $"the requests built; {(double)memory / (2 * jobs):F0} bytes a key"));
    }

    private static int Send(SimEtcd etcd, Stopwatch inside, IEnumerable<TxnRequest> requests)
    {
        var succeeded = 0;
        foreach (var request in requests)
        {
            inside.Start();
            var answer = etcd.Txn(request);
            inside.Stop();
            succeeded += answer.Responses.Count(response => response.ResponseTxn.Succeeded);
        }

        return succeeded;
    }

    private static TxnRequest Around(IEnumerable<TxnRequest> claims) =>
        Txn.If(Txn.Missing("/cron/workers/w2")).Then([.. claims.Select(Txn.Nested)]);

    private static TxnRequest Claim(int job, int second)
    {
        var (definition, cursor, runs) = ($"/cron/jobs/job-{job:0000000}", Cursor(job), Runs(job));
        var close = Txn
            .If(Txn.Exists(definition), Txn.ValueBelow(cursor, Time(second)), Txn.ValueAbove(cursor, Time(second - 1)))
            .Then(Txn.Put(cursor, Time(second)), Txn.Put($"/cron/owed/job-{job:0000000}/{Time(second)}", Run), Txn.Get(definition))
            .Else(Txn.Get(cursor), Txn.Get(definition), Txn.List(runs, keysOnly: true));
        return Txn
            .If(
                Txn.Exists(definition), Txn.ValueBelow(cursor, Time(second)), Txn.ValueAbove(cursor, Time(second - 2)),
                Txn.NoneUnder(runs))
            .Then(Txn.Get(definition), Txn.Put(cursor, $"{Time(second)} w1 694d9a1e3a5c1f07 claimed"), Txn.Put(runs + Time(second), Run))
            .Else(Txn.Nested(close));
    }

    private static RequestOp Complete(int job, int second)
    {
        var run = Runs(job) + Time(second);
        return Txn.Nested(Txn.If(Txn.Exists(run)).Then(Txn.Delete(run)).Else(Txn.Get(run)));
    }

    private static string Cursor(int job) => $"/cron/fired/job-{job:0000000}";

    private static string Runs(int job) => $"/cron/runs/job-{job:0000000}/";

    private static string Time(int second) => $"{new DateTime(2026, 11, 22, 10, 0, 0).AddSeconds(second):yyyyMMdd'T'HHmmss'Z'}";
}
