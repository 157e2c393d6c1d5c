using Dts.Common.Jobs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Views;

public sealed class EndingListTests
{
    [Fact]
    public void Endings_come_back_as_they_were_packed()
    {
        var now = Some.Now.ToUnixTimeSeconds();
        Ending[] endings =
        [
            .. Enum.GetValues<RunStatus>().Select((status, n) => new Ending(status, now + (n * n * 1000), n * 500)),
            new(RunStatus.Missed, now, null),
            new(RunStatus.Succeeded, Some.Now.AddYears(30).ToUnixTimeSeconds(), 0),
            new(RunStatus.Succeeded, 0, 4095),
        ];

        Assert.Equal(endings, EndingList.Of(endings).Unpack());
    }

    [Fact]
    public void Of_many_endings_the_latest_twenty_stay()
    {
        List<Ending> endings = [.. Enumerable.Range(0, 50).Select(n => new Ending(RunStatus.Succeeded, n * 60, 1))];

        Assert.Equal(endings[^20..], EndingList.Of(endings).Unpack());
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(3_600_000)]
    [InlineData(31_536_000_000)]
    public void A_long_duration_is_rounded_to_a_part_in_two_thousand(long milliseconds)
    {
        var rounded = EndingList.RoundDuration(milliseconds)!.Value;

        Assert.InRange(rounded, milliseconds - (milliseconds / 2000), milliseconds);
    }

    [Fact]
    public void No_endings_differ_from_unknown_ones()
    {
        Assert.True(default(EndingList).IsUnknown);
        Assert.Empty(default(EndingList).Unpack());
        Assert.False(EndingList.Of([]).IsUnknown);
    }
}
