using Dts.Common.Jobs;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>The jobs of the fault test. Each command writes down that it began and ended, whatever the product records.</summary>
internal static class ChaosJobs
{
    public const int EverySecond = 6;

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

    private const int Parents = 3;

    /// <summary>Whether a job counts up in a file, so that each overlap of its runs shows.</summary>
    public static bool IsCounter(Job job) => job.Command == Witness + CountUp;

    public static List<Job> Make(ChaosCluster cluster)
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
}
