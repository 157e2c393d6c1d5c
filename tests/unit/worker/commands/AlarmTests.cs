using System.Threading.Channels;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class AlarmTests
{
    private const int TriesMax = 20; // With more time each.

    private Channel<(bool Stepped, DateTimeOffset At)> _rings = Channel.CreateUnbounded<(bool, DateTimeOffset)>();

    [Fact]
    public async Task It_rings_at_its_time_and_never_before_it()
    {
        using var alarm = new Alarm(Ring);

        for (var distance = 0; distance < 40; distance++)
        {
            var due = DateTimeOffset.UtcNow.AddMilliseconds(distance).ToUnixTimeMilliseconds();
            alarm.Set(due);
            var (stepped, at) = await _rings.Reader.ReadAsync(CancellationToken.None).AsTask().Soon();

            Assert.False(stepped);
            Assert.True(at.ToUnixTimeMilliseconds() >= due, $"set for {due}, rang at {at.ToUnixTimeMilliseconds()}");
        }

        Assert.False(_rings.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Set_to_an_earlier_time_it_rings_then()
    {
        using var alarm = new Alarm(Ring);
        alarm.Set(DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeMilliseconds());
        var earlier = DateTimeOffset.UtcNow.AddMilliseconds(20);
        alarm.Set(earlier.ToUnixTimeMilliseconds());

        var (_, at) = await _rings.Reader.ReadAsync(CancellationToken.None).AsTask().Soon();

        Assert.True(at.ToUnixTimeMilliseconds() >= earlier.ToUnixTimeMilliseconds());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public async Task Set_to_a_time_long_past_it_rings_at_once(long unixMs)
    {
        using var alarm = new Alarm(Ring);
        alarm.Set(unixMs);

        var (stepped, _) = await _rings.Reader.ReadAsync(CancellationToken.None).AsTask().Soon();

        Assert.False(stepped);
    }

    [Fact]
    public async Task Unset_or_set_to_a_later_time_it_does_not_ring_at_the_former_one()
    {
        for (var tries = 1; ; tries++)
        {
            _rings = Channel.CreateUnbounded<(bool, DateTimeOffset)>();
            using var unset = new Alarm(Ring);
            using var later = new Alarm(Ring);
            using var witness = new Alarm(_ => _rings.Writer.TryComplete());
            var soon = DateTimeOffset.UtcNow.AddMilliseconds(30 * tries).ToUnixTimeMilliseconds();

            unset.Set(soon);
            later.Set(soon);
            unset.Set(null);
            later.Set(long.MaxValue);
            if (IsPast(soon) && tries < TriesMax)
            {
                continue; // Too late: they may have rung.
            }

            witness.Set(soon + 30);
            var rang = await _rings.Reader.WaitToReadAsync(CancellationToken.None).AsTask().Soon();

            Assert.False(rang);
            break;
        }
    }

    [Fact]
    public async Task A_step_of_the_clock_rings_at_once_and_leaves_the_alarm_set()
    {
        for (var tries = 1; ; tries++)
        {
            _rings = Channel.CreateUnbounded<(bool, DateTimeOffset)>();
            using var alarm = new Alarm(Ring);
            var due = DateTimeOffset.UtcNow.AddMilliseconds(200 * tries).ToUnixTimeMilliseconds();
            alarm.Set(due);

            alarm.NoticeStep();
            if (IsPast(due) && tries < TriesMax)
            {
                continue; // Too late: it may have rung before.
            }

            var first = await _rings.Reader.ReadAsync(CancellationToken.None).AsTask().Soon();
            var second = await _rings.Reader.ReadAsync(CancellationToken.None).AsTask().Soon();

            Assert.True(first.Stepped);
            Assert.False(second.Stepped);
            Assert.True(second.At.ToUnixTimeMilliseconds() >= due);
            break;
        }
    }

    [Fact]
    public void Disposing_it_ends_its_thread_even_from_its_own_ring()
    {
        using var rang = new ManualResetEventSlim();
        Alarm? own = null;
        own = new Alarm(_ =>
        {
            own?.Dispose();
            rang.Set();
        });
        own.Set(0);
        Assert.True(rang.Wait(Patience.Limit, CancellationToken.None));

        var other = new Alarm(Ring);
        other.Set(DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeMilliseconds());
        other.Dispose();
        other.Dispose();
        other.Set(0);

        Assert.False(_rings.Reader.TryRead(out _));
    }

    private static bool IsPast(long unixMs) => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() >= unixMs;

    private void Ring(bool stepped) => _rings.Writer.TryWrite((stepped, DateTimeOffset.UtcNow));
}
