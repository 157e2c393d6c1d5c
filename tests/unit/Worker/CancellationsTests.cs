using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker;
using Xunit;

namespace Dts.Tests.Unit.Worker;

public sealed class CancellationsTests
{
    private static readonly JobName Name = JobName.Parse("hello");

    private readonly Cancellations _cancellations = new();

    [Fact]
    public void A_job_that_is_deleted_stays_so_when_one_of_its_runs_is_killed_afterwards()
    {
        _cancellations.Add(Name, "", 10, "deleted", Some.Now);
        _cancellations.Add(Name, Id(1), 11, "killed", Some.Now);

        Assert.Equal("deleted", _cancellations.FindWhy(Claimed(2, token: 9)));
        Assert.NotNull(_cancellations.FindWhy(Claimed(1, token: 9)));
    }

    [Fact]
    public void Of_two_runs_that_are_killed_neither_starts()
    {
        _cancellations.Add(Name, Id(1), 10, "killed", Some.Now);
        _cancellations.Add(Name, Id(2), 11, "killed", Some.Now);

        Assert.All([Claimed(1, token: 9), Claimed(2, token: 9)], run => Assert.Equal("killed", _cancellations.FindWhy(run)));
        Assert.Null(_cancellations.FindWhy(Claimed(3, token: 9)));
    }

    [Fact]
    public void What_is_claimed_afterwards_starts_and_a_word_that_comes_late_takes_none_back()
    {
        _cancellations.Add(Name, "", 10, "paused", Some.Now);
        _cancellations.Add(Name, "", 8, "killed", Some.Now);

        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 11)));
        Assert.Equal("paused", _cancellations.FindWhy(Claimed(1, token: 9)));
    }

    [Fact]
    public void What_no_claim_can_be_meant_by_any_more_is_forgotten()
    {
        _cancellations.Add(Name, "", 10, "deleted", Some.Now);
        _cancellations.Add(JobName.Parse("other"), "", 11, "deleted", Some.Now.AddMinutes(3));

        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 9)));
    }

    private static string Id(int n) => RunId.Of(Some.Now.AddMinutes(n));

    private static Run Claimed(int n, long token) =>
        new(Name, Some.Job(), 1, RunSpec.Scheduled(Some.Now.AddMinutes(n)), Some.Now, token, new LeaseId(1));
}
