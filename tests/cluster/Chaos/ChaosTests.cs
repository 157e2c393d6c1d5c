using System.Globalization;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>
/// The promise under every fault. CHAOS_MINUTES, CHAOS_SEED and CHAOS_FAULTS choose how long, and which faults; CHAOS_KEEP names a folder
/// for the logs.
/// </summary>
/// <remarks>
/// With an odd seed etcd has users, alternately with simple and signed tokens; the faults "auth-simple" and "auth-signed" force one kind.
/// </remarks>
public sealed class ChaosTests
{
    private const string Witness =
        "mark() { echo \"$1 $DTS_JOB $DTS_RUN_ID $DTS_PLAN_TIME $DTS_ATTEMPT $DTS_FENCING_TOKEN $DTS_WORKER $EPOCHREALTIME\" >> "
            + "$WITNESSES/$DTS_WORKER; }; mark start; trap 'mark end' EXIT; ";

    /// <summary>
    /// n=$(cat c); sleep; echo $((n+1)) >c: every overlap loses a count. The file also has fencing tokens, so that it refuses only a run
    /// that went on after its worker lost the session. Each start and each count appends one line, so that a kill leaves no partial write.
    /// </summary>
    private const string CountUp = """
        c=$COUNTERS/$DTS_JOB
        last() { flock 9; read -r token n _ < <(tail -n 1 $c); [ "${token:-0}" -le $DTS_FENCING_TOKEN ] || exit 9; }
        exec 9>>$c; last; n=${n:-0}; echo "$DTS_FENCING_TOKEN $n $DTS_RUN_ID start" >&9; flock -u 9
        mine=$((n + 1)); sleep 0.5 9>&-
        last; echo "$DTS_FENCING_TOKEN $mine $DTS_RUN_ID done" >&9
        """;

    private const string WithSimpleTokens = "auth-simple";
    private const string WithSignedTokens = "auth-signed";

    private const int EverySecond = 6;
    private const int Parents = 3;

    private static readonly TimeSpan BackToNormalWithin = TimeSpan.FromSeconds(15);

    private static readonly double Minutes = double.Parse(
        Environment.GetEnvironmentVariable("CHAOS_MINUTES") ?? "3", CultureInfo.InvariantCulture);
    private static readonly int Seed = int.Parse(
        Environment.GetEnvironmentVariable("CHAOS_SEED") ?? $"{Random.Shared.Next(1000, 10_000)}", CultureInfo.InvariantCulture);

    private static readonly string[] Chosen =
        (Environment.GetEnvironmentVariable("CHAOS_FAULTS") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
    private static readonly string[] Faults = [.. Chosen.Except([WithSimpleTokens, WithSignedTokens])];

    private static EtcdTokens Tokens =>
        Chosen.Contains(WithSimpleTokens) ? EtcdTokens.Simple
        : Chosen.Contains(WithSignedTokens) ? EtcdTokens.Signed
        : Chosen.Length > 0 || Seed % 2 == 0 ? EtcdTokens.None
        : Seed % 4 == 1 ? EtcdTokens.Simple : EtcdTokens.Signed;

    [Fact]
    public async Task Whatever_fails_nothing_starts_twice_and_every_planned_time_has_its_ending()
    {
        List<string> said =
        [
            $"seed {Seed}, {Minutes} minutes{(Tokens == EtcdTokens.None ? "" : $", etcd with users and {Tokens} tokens of five seconds")}",
        ];
        await using var cluster = await ChaosCluster.StartAsync(Tokens);
        try
        {
            await RunAsync(cluster, said);
        }
        catch (Exception)
        {
            if (Environment.GetEnvironmentVariable("CHAOS_KEEP") is { Length: > 0 } keep)
            {
                cluster.KeepAt(keep);
            }

            throw;
        }
        finally
        {
            TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', said));
            Console.WriteLine(string.Join('\n', said));
        }
    }

    private static async Task RunAsync(ChaosCluster cluster, List<string> said)
    {
        var jobs = MakeJobs(cluster);
        var from = DateTimeOffset.UtcNow;
        foreach (var job in jobs)
        {
            await cluster.SaveAsync(job);
        }

        await new Nemesis(cluster, jobs, Faults, new Random(Seed), said.Add).RunAsync(from.AddMinutes(Minutes));
        foreach (var job in jobs)
        {
            await InsistAsync(() => cluster.SaveAsync(job)); // As at first, whatever was done to it.
        }

        await BackToNormalAsync(cluster);
        var to = DateTimeOffset.UtcNow;
        foreach (var job in jobs)
        {
            await InsistAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/pause"));
        }

        await AllOverAsync(cluster);

        var records = new List<RunRecord>();
        var ledgers = new Dictionary<string, IReadOnlyList<LedgerLine>>();
        foreach (var job in jobs)
        {
            records.AddRange(await cluster.RecordsAsync(job.Name));
            ledgers[job.Name] = await cluster.LedgerAsync(job.Name, from, to);
        }

        var starts = cluster.ReadWitness();
        var faults = Judge.FindFaults(new Evidence(jobs, starts, records)
        {
            Ledgers = ledgers,
            Counters = jobs.Where(job => job.Command == Witness + CountUp).Select(job => job.Name).ToHashSet(),
            Counts = cluster.ReadCounters(),
            Lost = cluster.LostRuns,
        });

        said.Add($"  planned {ledgers.Values.Sum(lines => lines.Count)}, runs started {starts.Count}, endings: "
            + string.Join(
                ", ",
                records
                    .GroupBy(record => record.Status)
                    .OrderBy(group => group.Key)
                    .Select(group => $"{group.Key.Word()} {group.Sum(record => Math.Max(1, record.MissedCount))}")));
        said.AddRange(faults.Take(50).Select(fault => $"  FAULT {fault}"));
        Assert.True(
            faults.Count == 0, $"{faults.Count} faults, seed {Seed}:\n{string.Join('\n', faults.Take(20))}\n{string.Join('\n', said)}");
    }

    private static List<Job> MakeJobs(ChaosCluster cluster)
    {
        List<Job> jobs = [];
        for (var n = 0; n < EverySecond; n++)
        {
            Add($"second-{n}", "* * * * * *", "true");
            Add($"beside-{n}", "* * * * * *", "true", job => job with { Overlap = Overlap.Allow });
        }

        Add("long-forbid", "*/2 * * * * *", "sleep 3");
        Add("long-allow", "*/2 * * * * *", "sleep 3", job => job with { Overlap = Overlap.Allow });
        Add("long-replace", "*/3 * * * * *", "sleep 5", job => job with { Overlap = Overlap.Replace, KillGraceSeconds = 1 });
        Add(
            "retrying",
            "*/5 * * * * *",
            "exit $((RANDOM % 2))",
            job => job with { Overlap = Overlap.Allow, Retry = new Retry(Max: 2, DelaySeconds: 1, Elsewhere: true) });
        Add("everywhere", "*/3 * * * * *", "sleep 0.5", job => job with { Mode = JobMode.All });
        Add("rerun", "*/10 * * * * *", "sleep 8", job => job with { Overlap = Overlap.Allow, OnWorkerLost = OnWorkerLost.Rerun });
        Add(
            "careful",
            "*/6 * * * * *",
            "sleep 4",
            job => job with { OnDisconnect = OnDisconnect.Kill, OnWorkerLost = OnWorkerLost.Rerun, KillGraceSeconds = 1 });
        Add("misfire-once", "*/4 * * * * *", "true", job => job with { Misfire = Misfire.Once });
        Add("misfire-all", "*/4 * * * * *", "true", job => job with { Misfire = Misfire.All, Overlap = Overlap.Allow });
        Add("dependent", "0 0 0 1 1 * 2099", "true", job => job with { Overlap = Overlap.Allow });
        Add("misfire-queue", "*/2 * * * * *", CountUp, job => job with { Misfire = Misfire.All });
        Add("counter", "*/4 * * * * *", CountUp);
        Add("joined", "0 0 0 1 1 * 2099", CountUp);
        for (var n = 0; n < Parents; n++)
        {
            Add($"cause-{n}", "*/4 * * * * *", "true", job => job with { Then = ["dependent", "joined"] });
        }

        return jobs;

        void Add(string name, string cronExpr, string command, Func<Job, Job>? more = null)
        {
            var env = new Dictionary<string, string>
            {
                ["WITNESSES"] = cluster.Witnesses,
                ["COUNTERS"] = cluster.Counters,
                ["MARK"] = cluster.Mark,
            };
            var job = new Job(name, Witness + command, cronExpr, Env: env);
            jobs.Add(more?.Invoke(job) ?? job);
        }
    }

    /// <summary>
    /// All workers are there, and every job that fires each second has started within the last three, without a restart of anything.
    /// </summary>
    private static async Task BackToNormalAsync(ChaosCluster cluster)
    {
        var mended = DateTimeOffset.UtcNow;
        var missing = "";
        while ((missing = await FindAbnormalAsync(cluster)).Length > 0)
        {
            var workers = Enumerable.Range(0, ChaosCluster.Workers).Select(ChaosCluster.Worker).ToList();
            var ended = workers.Where(worker => cluster.LogOf(worker).Contains("Unhandled exception", StringComparison.Ordinal)).ToList();
            Assert.True(
                DateTimeOffset.UtcNow < mended + BackToNormalWithin,
                (ended.Count > 0 ? $"{ended.Count} faults, seed {Seed}: {string.Join(' ', ended)} ended by an exception\n" : "")
                    + $"seed {Seed}: not back to normal within {BackToNormalWithin.TotalSeconds} s: {missing}\n"
                    + string.Join('\n', workers.Select(worker => $"--- {worker}\n{Tail(cluster.LogOf(worker))}")));
            await Task.Delay(TimeSpan.FromMilliseconds(250));
        }
    }

    /// <summary>A cluster that is just coming back may refuse for a moment.</summary>
    private static async Task InsistAsync(Func<Task> ask)
    {
        for (var deadline = DateTimeOffset.UtcNow + BackToNormalWithin; ;)
        {
            try
            {
                await ask();
                return;
            }
            catch (HttpRequestException) when (DateTimeOffset.UtcNow < deadline)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(250));
            }
        }
    }

    private static string Tail(string log) => string.Join('\n', log.Split('\n').TakeLast(25));

    private static async Task<string> FindAbnormalAsync(ChaosCluster cluster)
    {
        var workers = (await cluster.AskAsync("/api/v1/workers", method: HttpMethod.Get))!["workers"]!.AsArray();
        if (workers.Count < ChaosCluster.Workers)
        {
            return $"only {string.Join(' ', workers.Select(worker => worker!["id"]))} are registered";
        }

        var recent = cluster.ReadWitness().Where(start => start.At > DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0 - 3).ToList();
        var silent = Enumerable.Range(0, EverySecond)
            .SelectMany(n => new[] { $"second-{n}", $"beside-{n}" })
            .Except(recent.Select(start => start.Job))
            .ToList();
        var idle = Enumerable.Range(0, ChaosCluster.Workers)
            .Select(ChaosCluster.Worker)
            .Except(recent.Select(start => start.Worker))
            .ToList();
        return silent.Count > 0 ? $"{string.Join(' ', silent)} do not run" : idle.Count > 0 ? $"{string.Join(' ', idle)} run nothing" : "";
    }

    private static async Task<string> FindLeftAsync(ChaosCluster cluster)
    {
        try
        {
            string[] keys = ["runs", "queue", "owed"];
            var left = await Task.WhenAll(keys.Select(what => cluster.CtlAsync("get", "--prefix", "--keys-only", $"/cron/{what}/")));
            return string.Concat(left).Trim() is { Length: > 0 } found ? found
                : cluster.CommandsAlive() is { Count: > 0 } alive ? $"processes {string.Join(' ', alive)}"
                : "";
        }
        catch (Xunit.Sdk.XunitException slow)
        {
            return slow.Message; // etcdctl gives up after five seconds, which a busy machine may take.
        }
    }

    /// <summary>Nothing is in flight, in the queue or owed any more, and no process of any run is left.</summary>
    private static async Task AllOverAsync(ChaosCluster cluster)
    {
        var left = "";
        var deadline = DateTimeOffset.UtcNow.AddSeconds(60);
        do
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, $"seed {Seed}: still there: {left}");
            await Task.Delay(TimeSpan.FromMilliseconds(500));
            left = await FindLeftAsync(cluster);
        }
        while (left.Length > 0);

        // The shippers' last batches; what has no record by then is for the judge.
        var started = cluster.ReadWitness();
        deadline = DateTimeOffset.UtcNow + BackToNormalWithin;
        while (DateTimeOffset.UtcNow < deadline && !await AreRecordedAsync(cluster, started))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(250));
        }
    }

    private static async Task<bool> AreRecordedAsync(ChaosCluster cluster, IReadOnlyList<Start> starts)
    {
        foreach (var job in starts.GroupBy(start => start.Job))
        {
            var recorded = (await cluster.RecordsAsync(job.Key)).Select(record => record.Id).ToHashSet();
            if (job.Any(start => !recorded.Contains(start.Id)))
            {
                return false;
            }
        }

        return true;
    }
}
