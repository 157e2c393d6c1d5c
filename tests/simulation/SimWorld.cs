namespace Dts.Tests.Simulation;

/// <summary>The simulated time, all that is still to happen, the only source of chance, and the trace of what has happened.</summary>
/// <remarks>
/// One thread. Times are microseconds since <see cref="Epoch"/>, which no clock of the simulated hosts need agree with. Of two events of
/// one time the one that was scheduled first comes first, so equal seeds give equal runs.
/// </remarks>
internal sealed class SimWorld(int seed)
{
    public const long Ms = 1000;
    public const long Second = 1000 * Ms;
    public const long Minute = 60 * Second;

    public static readonly DateTimeOffset Epoch = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    private readonly EventHeap _events = new();

    public long Now { get; private set; }

    public DateTimeOffset Time => At(Now);

    public Random Random { get; } = new(seed);

    public SimTrace Trace { get; } = new();

    /// <summary>How many events have happened.</summary>
    public long Count { get; private set; }

    /// <summary>What was done to the cluster and what it went through, and how often.</summary>
    public SortedDictionary<string, long> Tallies { get; } = new(StringComparer.Ordinal);

    public static DateTimeOffset At(long now) => Epoch.AddTicks(now * TimeSpan.TicksPerMicrosecond);

    public void Do(long at, Action action) => _events.Add(Math.Max(at, Now), action);

    /// <summary>Lets a process do something, if it is there and runs at that time.</summary>
    public void Do(long at, SimProcess process, Action action) => Do(at, () => process.Do(action));

    public void RunUntil(long end)
    {
        while (_events.TryTake(end, out var at, out var action))
        {
            Now = at;
            Count++;
            action!();
        }

        Now = end;
    }

    public void Tally(string what) => Tallies[what] = Tallies.GetValueOrDefault(what) + 1;

    public bool Chance(double probability) => probability > 0 && Random.NextDouble() < probability;

    /// <summary>A time between two, evenly.</summary>
    public long Between(long least, long most) => least + Random.NextInt64(most - least + 1);

    /// <summary>A time between two, evenly, in seconds.</summary>
    public long Seconds(double least, double most) => (long)((least + ((most - least) * Random.NextDouble())) * Second);

    public T OneOf<T>(IReadOnlyList<T> list) => list[Random.Next(list.Count)];

    public void Note(string what, string who, string about = "") => Trace.Note(Now, what, who, about);
}

/// <summary>Events by time, and of one time in the order in which they were added.</summary>
internal sealed class EventHeap
{
    private Entry[] _heap = new Entry[1024];
    private int _count;
    private long _added;

    public void Add(long at, Action action)
    {
        if (_count == _heap.Length)
        {
            Array.Resize(ref _heap, 2 * _count);
        }

        var entry = new Entry(at, _added++, action);
        var place = _count++;
        while (place > 0 && entry.IsBefore(_heap[(place - 1) / 4]))
        {
            _heap[place] = _heap[(place - 1) / 4];
            place = (place - 1) / 4;
        }

        _heap[place] = entry;
    }

    public bool TryTake(long end, out long at, out Action? action)
    {
        (at, action) = (_heap[0].At, _heap[0].Action);
        if (_count == 0 || at > end)
        {
            return false;
        }

        var last = _heap[--_count];
        _heap[_count] = default;
        var place = 0;
        for (var child = 1; child < _count; child = (4 * place) + 1)
        {
            var least = child;
            for (var other = child + 1; other < Math.Min(child + 4, _count); other++)
            {
                least = _heap[other].IsBefore(_heap[least]) ? other : least;
            }

            if (!_heap[least].IsBefore(last))
            {
                break;
            }

            _heap[place] = _heap[least];
            place = least;
        }

        _heap[place] = _count > 0 ? last : default;
        return true;
    }

    private readonly record struct Entry(long At, long Added, Action Action)
    {
        public bool IsBefore(in Entry other) => At < other.At || (At == other.At && Added < other.Added);
    }
}

/// <summary>A digest of all that happened, and, when a run is repeated, what happened to one job.</summary>
internal sealed class SimTrace
{
    private static readonly int Kept = SimulationTests.Read("SIM_EVENTS", 400);

    private readonly Queue<string> _lines = new();

    /// <summary>The job whose events are kept, with those of no job; null = none are kept.</summary>
    public string? Job { get; set; }

    public ulong Digest { get; private set; } = 14695981039346656037UL; // FNV-1a

    public IReadOnlyCollection<string> Lines => _lines;

    public void Note(long now, string what, string who, string about)
    {
        Add((ulong)now);
        Add(what);
        Add(who);
        Add(about);
        if (Job is not null && (about.Length == 0 || IsOfJob(about)))
        {
            _lines.Enqueue($"{SimWorld.At(now):HH:mm:ss.ffffff} {who,-8} {what} {about}");
            if (_lines.Count > Kept)
            {
                _lines.Dequeue();
            }
        }
    }

    private bool IsOfJob(string about) =>
        about.Contains(Job!, StringComparison.Ordinal) && $"/{about}/".Contains($"/{Job}/", StringComparison.Ordinal);

    private void Add(string text)
    {
        foreach (var letter in text)
        {
            Add(letter);
        }
    }

    private void Add(ulong number) => Digest = (Digest ^ number) * 1099511628211UL;
}
