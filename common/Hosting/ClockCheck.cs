using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>Compares this host's clock with the workers' clocks.</summary>
/// <remarks>
/// <para>Thread-safe. Every worker writes its wall clock into its registration every ten seconds. The others read it some time later, so
/// of a worker's last two readings the one with the shorter delay counts. Readings are relative to our monotonic clock, so a step of our
/// own wall clock shows at once.</para>
/// <para>This host is off when the median of all workers and itself is further away than the limit. So a worker with a wrong clock
/// stops claiming, and the others do not stop because of it. Of two hosts neither can tell which clock is wrong: both go on and log
/// it.</para>
/// </remarks>
internal sealed class ClockCheck : IDisposable
{
    private static readonly TimeSpan FarOff = TimeSpan.FromMinutes(1); // Beyond the age of any registration of a live worker.
    private static readonly TimeSpan Pulse = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    private readonly ConcurrentDictionary<string, Reading> _readings = new();
    private readonly string _workerId;
    private readonly Rules _rules;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _pulse;
    private long _pulsedAt;
    private long _changes; // of the readings
    private volatile Measurement? _measured;
    private volatile bool _isOff;
    private volatile bool _differs;

    /// <param name="workerId">This worker's; empty = this is a master.</param>
    public ClockCheck(string workerId, TimeProvider time, ILogger log)
    {
        (_workerId, _time, _log, _pulsedAt) = (workerId, time, log, time.GetTimestamp());
        _rules = workerId.Length > 0 ? Rules.OfWorker : Rules.OfMaster;
        _pulse = time.CreateTimer(_ => Volatile.Write(ref _pulsedAt, time.GetTimestamp()), null, Pulse, Pulse);
    }

    /// <summary>False while the clock is further off than the limit.</summary>
    public bool MayClaim => Look().MayClaim;

    /// <summary>
    /// The wall clock for times that other hosts act on, such as when the next attempt is due. While our clock is off, its error is
    /// subtracted.
    /// </summary>
    public DateTimeOffset Now
    {
        get
        {
            var (wall, ahead) = Read();
            return wall - MeasureError(ahead);
        }
    }

    /// <summary>Our wall clock as it is, and whether that is right.</summary>
    public (DateTimeOffset Wall, bool MayClaim) Look()
    {
        var (wall, ahead) = Read();
        return (wall, MeasureError(ahead) == TimeSpan.Zero);
    }

    /// <summary>Our wall clock as it is.</summary>
    public DateTimeOffset OwnNow => _time.GetUtcNow();

    /// <summary>Why this worker does not claim, for its registration; empty = it does.</summary>
    public string Refusal => MayClaim ? "" : "its clock is off";

    /// <param name="clock">The other worker's wall clock when it wrote its registration.</param>
    /// <param name="isFresh">It was written just now. Otherwise it may be old, and counts only if it differs by more than a minute.</param>
    public void Observe(string workerId, DateTimeOffset clock, bool isFresh)
    {
        if (workerId == _workerId || clock == default)
        {
            return;
        }

        // After a stall of this process, registrations are read late, so they count as old.
        isFresh &= _time.GetElapsedTime(Volatile.Read(ref _pulsedAt)) <= 2 * Pulse;
        var reading = clock - DateTimeOffset.UnixEpoch - Monotonic();
        if (isFresh)
        {
            _readings.AddOrUpdate(
                workerId,
                _ => new Reading(reading, reading, IsOld: false),
                (_, former) => new Reading(
                    reading, former.IsOld || former.LeftAt is not null ? reading : former.Latest, IsOld: false));
        }
        else
        {
            _readings.AddOrUpdate(
                workerId,
                _ => new Reading(reading, reading, IsOld: true),
                (_, former) => former.LeftAt is null ? former : new Reading(reading, reading, IsOld: true));
        }

        Interlocked.Increment(ref _changes);
    }

    /// <summary>A worker has left.</summary>
    public void Forget(string workerId)
    {
        if (_readings.TryGetValue(workerId, out var known))
        {
            _readings[workerId] = known with { LeftAt = known.LeftAt ?? Monotonic() };
        }

        foreach (var (left, _) in _readings.Where(one => one.Value is { LeftAt: not null } reading && (reading.IsOld || !Counts(reading))))
        {
            _readings.TryRemove(left, out _);
        }

        Interlocked.Increment(ref _changes);
    }

    public void Dispose() => _pulse.Dispose();

    /// <summary>The wall clock, and how far it is ahead of the monotonic clock, both of one moment even if this thread stalls.</summary>
    private (DateTimeOffset Wall, TimeSpan Ahead) Read()
    {
        while (true)
        {
            var monotonic = Monotonic();
            var wall = _time.GetUtcNow();
            if (Monotonic() - monotonic < Resolution)
            {
                return (wall, wall - DateTimeOffset.UnixEpoch - monotonic);
            }
        }
    }

    private TimeSpan Monotonic() => _time.GetElapsedTime(0);

    /// <summary>How far our clock is ahead of the other's; zero if the reading is too old to say.</summary>
    /// <param name="ahead">Our wall clock minus our monotonic clock.</param>
    private TimeSpan OffsetOf(Reading reading, TimeSpan ahead)
    {
        var quicker = reading.Latest > reading.Before ? reading.Latest : reading.Before;
        var offset = ahead - quicker;
        var isVague = reading.IsOld && (offset.Duration() < FarOff || (offset > TimeSpan.Zero && !_rules.TrustsOld));
        return isVague ? TimeSpan.Zero : offset;
    }

    /// <summary>
    /// How far our clock is ahead; zero within the limit. It is asked with every event, and measured when a reading or our clock has
    /// changed.
    /// </summary>
    /// <param name="ahead">Our wall clock minus our monotonic clock.</param>
    private TimeSpan MeasureError(TimeSpan ahead)
    {
        var changes = Interlocked.Read(ref _changes);
        if (_measured is not { } known || known.Changes != changes || (ahead - known.Ahead).Duration() >= Resolution)
        {
            _measured = known = new Measurement(changes, ahead, Compare(ahead));
        }

        return known.Error;
    }

    private TimeSpan Compare(TimeSpan ahead)
    {
        var offsets = _readings.Values.Where(Counts).Select(reading => OffsetOf(reading, ahead)).Append(TimeSpan.Zero).Order().ToList();
        var (low, high) = (offsets[(offsets.Count - 1) / 2], offsets[offsets.Count / 2]);
        var ours = low.Duration() < high.Duration() ? low : high;
        Note(ours, offsets.MaxBy(offset => offset.Duration()));
        return ours.Duration() > _rules.Limit ? ours : TimeSpan.Zero;
    }

    private bool Counts(Reading reading) => !(reading.LeftAt + _rules.KeepsLeft <= Monotonic());

    private void Note(TimeSpan ours, TimeSpan largest)
    {
        var isOff = ours.Duration() > _rules.Limit;
        if (isOff != _isOff)
        {
            _isOff = isOff;
            if (isOff)
            {
                _log.ClockOff(ours.TotalSeconds, _rules.Meanwhile, _rules.Limit.TotalSeconds);
            }
            else
            {
                _log.ClockRight();
            }
        }

        var differs = !isOff && largest.Duration() > _rules.Limit;
        if (differs && !_differs)
        {
            _log.ClocksDiffer(largest.TotalSeconds);
        }

        _differs = differs;
    }

    /// <summary>The other's wall clock minus our monotonic clock, for its last two registrations.</summary>
    /// <param name="IsOld">The registration was not fresh when it was read.</param>
    /// <param name="LeftAt">When its worker left, by our monotonic clock; null = it is there.</param>
    private readonly record struct Reading(TimeSpan Latest, TimeSpan Before, bool IsOld, TimeSpan? LeftAt = null);

    /// <summary>A worker that is not sure stops, which is safe. A master goes on, so it corrects only what is sure.</summary>
    /// <param name="KeepsLeft">How long the reading of a worker that has left counts.</param>
    /// <param name="TrustsOld">Whether an old registration, which shows a time that is long past, makes our clock look ahead.</param>
    private sealed record Rules(TimeSpan Limit, TimeSpan KeepsLeft, bool TrustsOld, string Meanwhile)
    {
        public static readonly Rules OfWorker = new(TimeSpan.FromSeconds(2), TimeSpan.Zero, TrustsOld: true, "this worker claims nothing");

        public static readonly Rules OfMaster = new(
            TimeSpan.FromSeconds(10), KeepsLeft: TimeSpan.FromMinutes(5), TrustsOld: false, "this master goes by the workers' clocks");
    }

    private sealed record Measurement(long Changes, TimeSpan Ahead, TimeSpan Error);
}
