using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Google.Protobuf;
using Xunit;

namespace Dts.Tests.Unit.Master.Alerts;

/// <summary>Times in etcd, judged by a master whose clock differs from that of the master that wrote them.</summary>
public sealed class MasterClocksTests
{
    [Theory]
    [InlineData(-1,  true,  false)]
    [InlineData(0,   false, false)]
    [InlineData(60,  false, false)] // By a clock that is an hour ahead, and soon right again.
    [InlineData(121, false, true)]
    public void A_mute_ends_at_its_time_and_is_removed_two_hours_later(int minutesAfter, bool isOn, bool isLongOver)
    {
        var mute = new AlertMute("job:a", Some.Now, "mara", "", Some.Now.AddHours(-1));
        var now = Some.Now.AddMinutes(minutesAfter);

        Assert.Equal((isOn, isLongOver), (mute.IsOn(now), mute.IsLongOver(now)));
    }

    [Fact]
    public void A_mute_until_the_end_of_a_fault_has_no_time_at_which_it_is_over() =>
        Assert.False(new AlertMute("job:a", null, "mara", "", Some.Now).IsLongOver(Some.Now.AddYears(1)));

    [Fact]
    public void A_mute_that_has_ended_but_is_still_stored_is_not_listed()
    {
        var keys = new AlertKeys(Some.Keys);
        var board = new AlertBoard(keys, (_, why) => Assert.Fail(why));
        var mute = new AlertMute("job:a", Some.Now, "mara", "", Some.Now.AddHours(-1));
        var json = ByteString.CopyFromUtf8(JsonSerializer.Serialize(mute, AlertJson.Readable.AlertMute));
        board.Apply([new KeyChange.Put(keys.Mutes + "m1", 2, 2, default, json)], Some.Now);

        Assert.Single(board.MutesOn(Some.Now.AddSeconds(-1)));
        Assert.Empty(board.MutesOn(Some.Now.AddSeconds(1)));
        Assert.Single(board.Mutes);
    }

    [Theory]
    [InlineData(-11.0, true)]
    [InlineData(-9.0,  false)]
    [InlineData(0.5,   false)]
    [InlineData(2.0,   true)]
    [InlineData(60.0,  true)]
    [InlineData(null,  true)]
    public void A_check_of_the_ledger_counts_for_ten_minutes_unless_it_is_ahead(double? minutesAhead, bool isDue) =>
        Assert.Equal(isDue, AlertLedger.IsDue(minutesAhead is { } minutes ? Some.Now.AddMinutes(minutes) : null, Some.Now));

    [Theory]
    [InlineData(-1.0, true)]
    [InlineData(1.0,  false)]
    [InlineData(10.5, false)] // The longest pause, by a clock that is half a minute ahead.
    [InlineData(12.0, true)]
    [InlineData(70.0, true)]
    [InlineData(null, true)]
    public void A_message_waits_for_its_next_try_unless_that_is_further_ahead_than_any_pause(double? minutesAhead, bool isDue)
    {
        var message = new AlertMessage(
            "id-1", "oncall", "chat", AlertEvent.Failing, "backup", "", Some.Now, Some.Now,
            NotBefore: minutesAhead is { } minutes ? Some.Now.AddMinutes(minutes) : null);

        Assert.Equal(isDue, AlertSender.IsDue(message, Some.Now));
    }

    [Theory]
    [InlineData(-11,  false, -11)]
    [InlineData(-9,   true,  -9)]
    [InlineData(0,    true,  0)]
    [InlineData(1,    false, 0)]
    [InlineData(3600, false, 0)]
    public void A_progress_that_is_ahead_is_written_again_and_counts_as_now_at_the_start(int secondsAhead, bool isRecent, int countsAs)
    {
        var progress = new AlertProgress(Some.Now.AddSeconds(secondsAhead), ["w1"]);

        Assert.Equal(isRecent, progress.IsRecent(Some.Now));
        Assert.Equal(progress with { At = Some.Now.AddSeconds(countsAs) }, progress.NotAfter(Some.Now));
    }
}
