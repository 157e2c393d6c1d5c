using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster.Chaos;

public sealed class JudgeTests
{
    private static readonly Job Job = Some.Job("a");
    private static readonly Start First = new("a", "20261122T100000Z", "2026-11-22T10:00:00Z", 1, 100, "w1", 1.0, 1.2);
    private static readonly Start Second = First with { RunId = "20261122T100001Z", Worker = "w2", Token = 101, At = 2.0, End = 2.2 };
    private static readonly RunRecord Succeeded = Some.Record(0, "a", RunStatus.Succeeded);

    [Fact]
    public void A_run_that_started_once_and_is_recorded_once_is_no_fault() => Assert.Empty(FaultsOf([First], [Succeeded]));

    [Fact]
    public void A_start_and_its_end_are_read_from_two_lines()
    {
        var read = Judge.ReadMarks(
        [
            "start a r1 2026-11-22T10:00:00Z 1 100 w1 1.000000", "start a r2 2026-11-22T10:00:01Z 2 101 w2 2.500000",
            "end a r1 2026-11-22T10:00:00Z 1 100 w1 1.250000",
        ]);

        Assert.Equal(
            [new("a", "r1", "2026-11-22T10:00:00Z", 1, 100, "w1", 1, 1.25), new("a", "r2", "2026-11-22T10:00:01Z", 2, 101, "w2", 2.5)],
            read);
        Assert.Equal([new("a", "r1", 100, 1)], Judge.ReadCounts("a", ["100 0 r1 start", "100 1 r1 done"]));
        Assert.Throws<FormatException>(() => Judge.ReadMarks(["a r1"]));
    }

    [Fact]
    public void A_second_start_is_a_fault_whoever_made_it() =>
        Assert.Contains(
            FaultsOf([First, Second with { RunId = First.RunId }], [Succeeded]),
            fault => fault == "a/20261122T100000Z started 2 times, on w1 and w2");

    [Theory]
    [InlineData(RunStatus.Skipped)]
    [InlineData(RunStatus.Missed)]
    [InlineData(RunStatus.Cancelled)]
    public void A_start_recorded_as_not_started_is_a_fault(RunStatus status) =>
        Assert.Single(FaultsOf([First], [Succeeded with { Status = status }]));

    [Fact]
    public void An_ending_without_a_start_and_a_start_without_a_record_are_faults()
    {
        Assert.Equal(["a/20261122T100000Z never started, and its record says succeeded"], FaultsOf([], [Succeeded]));
        Assert.Equal(
            ["a/20261122T100000Z never started, and its record says failed: too late"],
            FaultsOf([], [Succeeded with { Status = RunStatus.Failed, ExitCode = null, Err = "too late" }]));
        Assert.Equal(["a/20261122T100000Z started and has no record"], FaultsOf([First], []));
    }

    [Fact]
    public void Of_a_lost_run_it_is_not_known_whether_it_started()
    {
        Assert.Empty(FaultsOf([First], [Succeeded with { Status = RunStatus.Lost }]));
        Assert.Empty(FaultsOf([], [Succeeded with { Status = RunStatus.Lost }]));
    }

    [Theory]
    [InlineData(99)] // goes down
    [InlineData(100)] // two claims in one request
    public void A_token_that_does_not_rise_is_a_fault_where_runs_must_not_overlap(long token)
    {
        var next = Second with { Token = token };
        RunRecord[] records = [Succeeded, RecordOf(next)];
        string[] fault = [$"a/20261122T100001Z on w2 started with token {token}, after 20261122T100000Z on w1 with 100"];

        Assert.Equal(fault, FaultsOf([First, next], records));
        Assert.Equal(fault, FaultsOf([First, next], records, Job with { Overlap = Overlap.Replace }));
        Assert.Empty(FaultsOf([First, next], records, Job with { Overlap = Overlap.Allow }));
    }

    [Fact]
    public void A_start_before_the_end_of_the_run_before_is_a_fault_where_runs_must_not_overlap()
    {
        var early = Second with { At = 1.15 };
        RunRecord[] records = [Succeeded, RecordOf(early)];
        string[] fault = ["a/20261122T100001Z on w2 started 0.150 s after 20261122T100000Z on w1, which ran for 0.200 s"];

        Assert.Equal(fault, FaultsOf([early, First], records));
        Assert.Equal(fault, FaultsOf([early, First], records, Job with { Overlap = Overlap.Replace }));
        Assert.Empty(FaultsOf([early, First], records, Job with { Overlap = Overlap.Allow }));
    }

    [Fact]
    public void A_long_run_overlaps_every_run_that_starts_before_its_end()
    {
        Start[] starts =
        [
            First with { End = 9 },
            Second with { End = null },
            Second with { RunId = "20261122T100002Z", Token = 102, At = 3, End = 4 },
        ];

        Assert.Equal(2, FaultsOf(starts, [.. starts.Select(RecordOf)]).Count);
    }

    [Fact]
    public void A_killed_or_lost_run_does_not_count_as_running()
    {
        var early = Second with { At = 1.15 };
        RunRecord[] records = [Succeeded, RecordOf(early)];

        Assert.Empty(FaultsOf([First with { End = null }, early], records));
        Assert.Empty(Judge.FindFaults(new Evidence([Job], [First, early], records) { Lost = new HashSet<string> { First.Id } }));
        Assert.Single(Judge.FindFaults(new Evidence([Job], [First, early], records) { Lost = new HashSet<string> { early.Id } }));
    }

    [Fact]
    public void In_mode_all_runs_on_different_workers_may_overlap_and_runs_on_one_may_not()
    {
        var job = Job with { Mode = JobMode.All };
        var early = Second with { At = 1.15 };
        RunRecord[] records = [Succeeded, RecordOf(early)];

        Assert.Empty(FaultsOf([First, early with { Token = First.Token }], records, job));
        Assert.Single(FaultsOf([First, early with { Worker = "w1" }], records, job));
        Assert.Single(FaultsOf([First, Second with { Worker = "w1", Token = First.Token }], records, job));
    }

    [Fact]
    public void A_number_written_by_two_runs_is_a_fault()
    {
        Assert.Empty(FaultsOfCounter([new("a", First.RunId, 100, 1), new("a", Second.RunId, 101, 2)], [Succeeded, RecordOf(Second)]));
        Assert.Equal(
            ["a counted 1 2 times: 20261122T100000Z and 20261122T100001Z", "a counted to 1, and 2 runs counted"],
            FaultsOfCounter([new("a", First.RunId, 100, 1), new("a", Second.RunId, 101, 1)], [Succeeded, RecordOf(Second)]));
    }

    [Fact]
    public void A_success_without_a_count_is_a_fault_and_a_count_of_a_killed_run_is_not()
    {
        Assert.Equal(
            ["a/20261122T100001Z succeeded and has not counted"],
            FaultsOfCounter([new("a", First.RunId, 100, 1)], [Succeeded, RecordOf(Second)]));
        Assert.Empty(FaultsOfCounter([new("a", First.RunId, 100, 1)], [Succeeded, RecordOf(Second) with { Status = RunStatus.Killed }]));
        Assert.Empty(FaultsOfCounter(
            [new("a", First.RunId, 100, 1), new("a", Second.RunId, 101, 2)],
            [Succeeded, RecordOf(Second) with { Status = RunStatus.Killed }]));
    }

    [Fact]
    public void Only_a_lost_run_may_find_a_higher_token()
    {
        var refused = RecordOf(Second) with { Status = RunStatus.Failed, ExitCode = 9 };
        Count[] counts = [new("a", First.RunId, 100, 1)];

        Assert.Equal(
            ["a/20261122T100001Z found that a later run had started, although it was never declared lost"],
            FaultsOfCounter(counts, [Succeeded, refused]));
        Assert.Empty(FaultsOfCounter(counts, [Succeeded, refused], lost: Second.Id));
    }

    [Fact]
    public void A_planned_time_without_an_ending_or_with_two_is_a_fault()
    {
        var ending = new LedgerEnding(RunStatus.Succeeded, 1, "w1", "", "20261122T100000Z");
        var ledgers = new Dictionary<string, IReadOnlyList<LedgerLine>>
        {
            ["a"] =
            [
                new(Some.Now, [ending]),
                new(Some.Now.AddSeconds(1), []),
                new(Some.Now.AddSeconds(2), [ending, ending with { Status = RunStatus.Missed }]),
            ],
        };

        Assert.Equal(2, Judge.FindFaults(new Evidence([Job], [], []) { Ledgers = ledgers }).Count);
    }

    private static IReadOnlyList<string> FaultsOf(IReadOnlyList<Start> starts, IReadOnlyList<RunRecord> records, Job? job = null) =>
        Judge.FindFaults(new Evidence([job ?? Job], starts, records));

    private static IReadOnlyList<string> FaultsOfCounter(
        IReadOnlyList<Count> counts, IReadOnlyList<RunRecord> records, string? lost = null) => Judge.FindFaults(
        new Evidence([Job], [First, Second], records)
        {
            Counters = new HashSet<string> { "a" },
            Counts = counts,
            Lost = new HashSet<string>(lost is null ? [] : [lost]),
        });

    private static RunRecord RecordOf(Start start) => Succeeded with { Id = start.Id };
}
