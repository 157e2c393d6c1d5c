namespace Dts.Common.Hosting;

/// <summary>The time by this host's clock; while <see cref="ClockCheck"/> finds it off, without its error.</summary>
/// <remarks>Timers and timestamps are the host's own: no step of a wall clock moves them.</remarks>
internal sealed class AgreedTime(TimeProvider own, ClockCheck clocks) : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => own.LocalTimeZone;

    public override long TimestampFrequency => own.TimestampFrequency;

    public override DateTimeOffset GetUtcNow() => clocks.Now;

    public override long GetTimestamp() => own.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        own.CreateTimer(callback, state, dueTime, period);
}
