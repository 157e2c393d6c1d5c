using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class CancellationsTests
{
    private static readonly JobName Name = JobName.Parse("hello");

    private readonly Cancellations _cancellations = new();

    [Fact]
    public void A_deleted_job_stays_cancelled_when_one_of_its_runs_is_killed_later()
    {
        _cancellations.Add(Name, "", 10, "deleted", Some.Now);
        _cancellations.Add(Name, Id(1), 11, "killed", Some.Now);

        Assert.Equal("deleted", _cancellations.FindWhy(Claimed(2, token: 9), Some.Now));
        Assert.NotNull(_cancellations.FindWhy(Claimed(1, token: 9), Some.Now));
    }

    [Fact]
    public void Two_killed_runs_both_do_not_start()
    {
        _cancellations.Add(Name, Id(1), 10, "killed", Some.Now);
        _cancellations.Add(Name, Id(2), 11, "killed", Some.Now);

        Assert.All([Claimed(1, token: 9), Claimed(2, token: 9)], run => Assert.Equal("killed", _cancellations.FindWhy(run, Some.Now)));
        Assert.Null(_cancellations.FindWhy(Claimed(3, token: 9), Some.Now));
    }

    [Fact]
    public void Runs_claimed_later_start_and_a_late_request_cancels_none_of_them()
    {
        _cancellations.Add(Name, "", 10, "paused", Some.Now);
        _cancellations.Add(Name, "", 8, "killed", Some.Now);

        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 11), Some.Now));
        Assert.Equal("paused", _cancellations.FindWhy(Claimed(1, token: 9), Some.Now));
    }

    [Fact]
    public void A_cancellation_is_forgotten_once_it_can_concern_no_claim()
    {
        _cancellations.Add(Name, "", 10, "deleted", Some.Now);
        _cancellations.Add(JobName.Parse("other"), "", 11, "deleted", Some.Now.AddMinutes(3));

        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 9), Some.Now));
    }

    [Fact]
    public void What_is_too_old_does_not_count_although_nothing_was_added_since()
    {
        _cancellations.Add(Name, "", 1500, "deleted", Some.Now);

        Assert.Equal("deleted", _cancellations.FindWhy(Claimed(1, token: 9), Some.Now.AddMinutes(2)));
        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 9), Some.Now.AddMinutes(3)));
    }

    [Fact]
    public void A_word_at_a_lower_revision_replaces_one_that_is_too_old()
    {
        var (other, later) = (JobName.Parse("other"), Some.Now.AddSeconds(123));
        _cancellations.Add(other, "", 1, "deleted", Some.Now);
        _cancellations.Add(Name, "", 1500, "deleted", Some.Now.AddSeconds(2));
        _cancellations.Add(other, "", 2, "deleted", Some.Now.AddSeconds(121)); // Old ones are taken out here, and it is not that old yet.
        _cancellations.Add(Name, "", 20, "paused", later);

        Assert.Equal("paused", _cancellations.FindWhy(Claimed(1, token: 9), later));
    }

    [Fact]
    public void What_was_cancelled_in_other_data_does_not_count()
    {
        _cancellations.Add(Name, "", 1500, "deleted", Some.Now);
        _cancellations.Add(Name, Id(1), 1501, "killed", Some.Now);

        _cancellations.Clear();

        Assert.Null(_cancellations.FindWhy(Claimed(1, token: 9), Some.Now));
    }

    private static string Id(int n) => RunId.Of(Some.Now.AddMinutes(n));

    private static Run Claimed(int n, long token) =>
        new(Name, Some.Job(), 1, RunSpec.Scheduled(Some.Now.AddMinutes(n)), Some.Now, token, new LeaseId(1));
}
