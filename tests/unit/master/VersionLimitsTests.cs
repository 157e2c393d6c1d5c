using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class VersionLimitsTests
{
    private static readonly VersionLimits Limits = new(TimeSpan.FromDays(400));

    [Fact]
    public void The_latest_version_stays_and_those_before_it_go_so_long_after_they_were_replaced()
    {
        var (removed, changed) = Limits.Apply([Head(2), Head(1), Head(0)]);

        Assert.Empty(removed);
        Assert.Equal([("1", Some.Now.AddDays(2 + 400)), ("0", Some.Now.AddDays(1 + 400))], changed.Select(Known));
    }

    [Fact]
    public void A_deletion_expires_with_the_version_it_deleted_unless_the_job_is_saved_again()
    {
        Assert.Equal(
            [("1", Some.Now.AddDays(1 + 400)), ("0", Some.Now.AddDays(1 + 400))],
            Limits.Apply([Head(1) with { IsDeletion = true }, Head(0)]).Changed.Select(Known));

        var late = Limits.Apply([Head(9), Head(1) with { IsDeletion = true, ExpireAt = Some.Now.AddDays(1 + 400) }]);
        Assert.Equal([("1", Some.Now.AddDays(9 + 400))], late.Changed.Select(Known));
    }

    [Fact]
    public void Of_more_than_a_hundred_the_oldest_are_removed()
    {
        var (removed, _) = Limits.Apply([.. Enumerable.Range(0, 103).Reverse().Select(n => Head(n))]);

        Assert.Equal(["2", "1", "0"], removed);
    }

    [Fact]
    public void Versions_within_the_limits_do_not_change()
    {
        Assert.Equal(([], []), Empty(Limits.Apply([])));
        Assert.Equal(([], []), Empty(Limits.Apply([Head(1), Head(0) with { ExpireAt = Some.Now.AddDays(1 + 400) }])));
    }

    private static VersionHead Head(int day) => new($"{day}", Some.Now.AddDays(day), IsDeletion: false, ExpireAt: null);

    private static (string, DateTimeOffset) Known((string Id, DateTimeOffset? ExpireAt) changed) => (changed.Id, changed.ExpireAt!.Value);

    private static (string[], string[]) Empty((IReadOnlyList<string> Removed, IReadOnlyList<(string Id, DateTimeOffset?)> Changed) made) =>
        ([.. made.Removed], [.. made.Changed.Select(changed => changed.Id)]);
}
