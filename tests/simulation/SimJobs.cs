using Dts.Common.Jobs;

namespace Dts.Tests.Simulation;

/// <summary>The jobs of a simulated cluster: one of each kind that the fault test has, and more, beside many that are alike.</summary>
internal static class SimJobs
{
    private const string Never = "0 0 0 1 1 * 2099";

    /// <param name="everySecond">How many jobs run each second.</param>
    public static IReadOnlyList<Job> Make(int everySecond)
    {
        List<Job> jobs = [];
        for (var n = 0; n < everySecond; n++)
        {
            jobs.Add(new Job($"second-{n}", "true", "* * * * * *", Overlap: n % 2 == 0 ? Overlap.Forbid : Overlap.Allow));
        }

        return jobs;
    }

    public static IReadOnlyList<Job> MakeAll(int everySecond) =>
    [
        .. Make(everySecond),
        new("long-forbid", "sleep 3", "*/2 * * * * *"),
        new("long-allow", "sleep 3", "*/2 * * * * *", Overlap: Overlap.Allow),
        new("long-replace", "sleep 5", "*/3 * * * * *", Overlap: Overlap.Replace, KillGraceSeconds: 1),
        new(
            "retrying",
            SimWitness.Maybe,
            "*/5 * * * * *",
            Overlap: Overlap.Allow,
            Retry: new Retry(Max: 2, DelaySeconds: 1, Elsewhere: true)),
        new("everywhere", "sleep 0.5", "*/3 * * * * *", Mode: JobMode.All),
        new("everywhere-often", "sleep 0.3", "* * * * * *", Mode: JobMode.All),
        new("everywhere-replace", "sleep 2.5", "*/3 * * * * *", Mode: JobMode.All, Overlap: Overlap.Replace, KillGraceSeconds: 1),
        new("rerun", "sleep 8", "*/10 * * * * *", Overlap: Overlap.Allow, OnWorkerLost: OnWorkerLost.Rerun),
        new(
            "careful",
            "sleep 4",
            "*/6 * * * * *",
            OnDisconnect: OnDisconnect.Kill,
            OnWorkerLost: OnWorkerLost.Rerun,
            KillGraceSeconds: 1),
        new("misfire-once", "true", "*/4 * * * * *", Misfire: Misfire.Once),
        new("misfire-all", "true", "*/4 * * * * *", Misfire: Misfire.All, Overlap: Overlap.Allow),
        new("misfire-queue", SimWitness.CountUp, "*/2 * * * * *", Misfire: Misfire.All),
        new("counter", SimWitness.CountUp, "*/4 * * * * *"),
        new("dependent", "true", Never, Overlap: Overlap.Allow),
        new("joined", SimWitness.CountUp, Never),
        new("cause-0", "true", "*/4 * * * * *", Then: ["dependent", "joined"]),
        new("cause-1", SimWitness.Maybe, "*/4 * * * * *", Then: ["dependent"], OnFailure: ["joined"]),
        new("timed", "sleep 3.5", "*/5 * * * * *", TimeoutSeconds: 2, KillGraceSeconds: 1),
        new(SimWitness.Unstartable, SimWitness.Unstartable, "*/7 * * * * *"),
        new("strict", "sleep 1.5", "* * * * * *", StartDeadlineSeconds: 1),
        new("bound", "true", "*/3 * * * * *", Target: new Target(["w1"])),
    ];
}
