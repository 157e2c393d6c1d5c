using System.Text;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class CursorTests
{
    [Fact]
    public void A_cursor_is_the_plan_time_in_UTC_and_then_words()
    {
        var berlin = new DateTimeOffset(2026, 11, 22, 11, 0, 0, TimeSpan.FromHours(1));

        Assert.Equal("2026-11-22T10:00:00Z w1 5f3 claimed", new Cursor(berlin, "w1", "5f3", Cursor.Claimed).ToString());
        Assert.Equal("2026-11-22T10:00:00Z", Cursor.Text(berlin));
    }

    [Fact]
    public void A_printed_cursor_reads_back()
    {
        var cursor = new Cursor(Some.Now, "w1", "5f3", Cursor.Skipped);

        Assert.True(Cursor.TryParse(cursor.ToString(), out var read));
        Assert.Equal(cursor, read);
    }

    [Theory]
    [InlineData("2026-11-22T10:00:00Z",                   "",   "",  "")]
    [InlineData("2026-11-22T10:00:00Z w1",                "w1", "",  "")]
    [InlineData("2026-11-22T10:00:00Z w1 s claimed more", "w1", "s", "claimed")]
    public void Words_may_be_missing(string text, string by, string session, string what)
    {
        Assert.True(Cursor.TryParse(text, out var read));
        Assert.Equal(new Cursor(Some.Now, by, session, what), read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-11-22")]
    [InlineData("2026-11-22 10:00:00Z w1")]
    [InlineData("2026-13-22T10:00:00Z")]
    [InlineData("hand-made, and longer than a time")]
    public void A_text_without_a_time_is_not_a_cursor(string text) => Assert.False(Cursor.TryParse(text, out _));

    [Fact]
    public void Byte_order_is_time_order_whatever_the_words()
    {
        var random = Some.Random();
        for (var i = 0; i < 2000; i++)
        {
            var (first, second) = (SomeTime(random), SomeTime(random));
            var text = Encoding.UTF8.GetBytes(new Cursor(first, "zzz", "fff", Cursor.Claimed).ToString());
            var compared = text.AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(Cursor.Text(second)));

            // A claim compares the whole cursor with the bare time: of the same second it is not below.
            Assert.True(compared < 0 == first < second, $"{first:O} and {second:O}");
        }
    }

    [Fact]
    public void A_run_id_sorts_as_its_plan_time_and_fits_into_a_key()
    {
        Assert.Equal("20261122T100000Z", RunId.Of(new DateTimeOffset(2026, 11, 22, 5, 0, 0, TimeSpan.FromHours(-5))));
        var random = Some.Random();
        for (var i = 0; i < 2000; i++)
        {
            var (first, second) = (SomeTime(random), SomeTime(random));
            Assert.Equal(Math.Sign(first.CompareTo(second)), Math.Sign(string.CompareOrdinal(RunId.Of(first), RunId.Of(second))));
        }

        Assert.DoesNotContain('/', RunId.Of(Some.Now));
    }

    /// <summary>In whole seconds, often near others.</summary>
    private static DateTimeOffset SomeTime(Random random) => random.Next(3) == 0
        ? Some.Now.AddSeconds(random.Next(-100, 100))
        : DateTimeOffset.FromUnixTimeSeconds(random.NextInt64(4_102_444_800));
}
