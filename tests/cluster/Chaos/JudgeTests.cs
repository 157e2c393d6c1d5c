using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster.Chaos;

public sealed class JudgeTests
{
    private static readonly Job Job = Some.Job("a");
    private static readonly Start First = new("a", "20261122T100000Z", "2026-11-22T10:00:00Z", 1, 100, "w1", 1.0);

    [Fact]
    public void What_started_once_and_is_recorded_once_is_in_order() => Assert.Empty(FaultsOf([First], [Record(RunStatus.Succeeded)]));

    [Fact]
    public void A_second_start_is_a_fault_whoever_made_it() =>
        Assert.Contains(FaultsOf([First, First with { Worker = "w2", Token = 101 }], [Record(RunStatus.Succeeded)]), fault => fault == "a/20261122T100000Z started 2 times, on w1 and w2");

    [Theory]
    [InlineData(RunStatus.Skipped)]
    [InlineData(RunStatus.Missed)]
    [InlineData(RunStatus.Cancelled)]
    public void A_start_that_is_recorded_as_none_is_a_fault(RunStatus status) => Assert.Single(FaultsOf([First], [Record(status)]));

    [Fact]
    public void A_success_that_never_started_and_a_start_without_a_record_are_faults()
    {
        Assert.Equal(["a/20261122T100000Z never started, and its record says succeeded"], FaultsOf([], [Record(RunStatus.Succeeded)]));
        Assert.Equal(["a/20261122T100000Z started and has no record"], FaultsOf([First], []));
    }

    [Fact]
    public void Of_a_lost_run_it_is_not_known_whether_it_started()
    {
        Assert.Empty(FaultsOf([First], [Record(RunStatus.Lost)]));
        Assert.Empty(FaultsOf([], [Record(RunStatus.Lost)]));
    }

    [Fact]
    public void A_token_that_goes_down_is_a_fault_where_runs_must_not_overlap()
    {
        var late = First with { RunId = "20261122T095900Z", Token = 99, Worker = "w2", At = 1.5 };
        RunRecord[] records = [Record(RunStatus.Succeeded), Record(RunStatus.Succeeded) with { Id = "a/20261122T095900Z" }];

        Assert.Equal(["a/20261122T095900Z on w2 started with token 99, after 20261122T100000Z on w1 with 100"], FaultsOf([First, late], records));
        Assert.Empty(Judge.FindFaults([Job with { Overlap = Overlap.Allow }], [First, late], new Dictionary<string, IReadOnlyList<LedgerLine>>(), records));
    }

    [Fact]
    public void A_planned_time_without_an_ending_or_with_two_is_a_fault()
    {
        var ending = new LedgerEnding(RunStatus.Succeeded, 1, "w1", "", "20261122T100000Z");
        var ledgers = new Dictionary<string, IReadOnlyList<LedgerLine>>
        {
            ["a"] = [new(Some.Now, [ending]), new(Some.Now.AddSeconds(1), []), new(Some.Now.AddSeconds(2), [ending, ending with { Status = RunStatus.Missed }])],
        };

        Assert.Equal(2, Judge.FindFaults([Job], [], ledgers, []).Count);
    }

    private static IReadOnlyList<string> FaultsOf(IReadOnlyList<Start> starts, IReadOnlyList<RunRecord> records) =>
        Judge.FindFaults([Job], starts, new Dictionary<string, IReadOnlyList<LedgerLine>>(), records);

    private static RunRecord Record(RunStatus status) => Some.Record(0, "a", status);
}
