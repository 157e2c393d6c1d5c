using System.Globalization;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Tests.Simulation;

/// <summary>What commands do, and what they themselves record of it, whatever DTS believes.</summary>
internal sealed class SimWitness(SimWorld world)
{
    /// <summary>n=$(cat c); sleep; echo $((n+1)) >c, fenced by the token.</summary>
    public const string CountUp = "count";

    /// <summary>It fails every second time.</summary>
    public const string Maybe = "maybe";

    /// <summary>No worker can start it.</summary>
    public const string Unstartable = "unstartable";

    private const string Sleep = "sleep ";
    private const int Fenced = 9; // What a counter exits with when a later run has been there.

    private readonly List<Mark> _marks = [];
    private readonly Dictionary<string, (long Token, long Value)> _counters = [];
    private readonly Dictionary<string, long> _counting = []; // What a run has read.

    public List<Count> Counts { get; } = [];

    public int StartCount => _marks.Count;

    public IReadOnlyList<Start> Starts => [.. _marks.Select(mark => mark.ToStart())];

    public Mark Started(Run run, string worker)
    {
        var mark = new Mark(run, worker, world.Now);
        _marks.Add(mark);
        return mark;
    }

    public void Ended(Mark mark, bool isSeen) => mark.EndedAt = isSeen ? world.Now : null;

    /// <summary>How long a command takes, and how it ends.</summary>
    public (long After, CommandOutcome Outcome) Play(Run run) => run.Job.Command switch
    {
        CountUp => Begin(run) ? (500 * SimWorld.Ms, Exit(0)) : (SimWorld.Ms, Exit(Fenced)),
        Maybe => (world.Between(1, 20) * SimWorld.Ms, Exit(world.Random.Next(2))),
        _ when run.Job.Command.StartsWith(Sleep, StringComparison.Ordinal) =>
            ((long)(double.Parse(run.Job.Command.AsSpan(Sleep.Length), CultureInfo.InvariantCulture) * SimWorld.Second), Exit(0)),
        _ => (world.Between(1000, 30 * SimWorld.Ms), Exit(0)),
    };

    /// <summary>The last thing that a command does.</summary>
    public CommandOutcome Finish(Run run, CommandOutcome outcome)
    {
        if (!_counting.Remove(run.Key, out var value))
        {
            return outcome;
        }

        if (_counters[run.Job.Name].Token > run.FencingToken)
        {
            return Exit(Fenced);
        }

        _counters[run.Job.Name] = (run.FencingToken, value + 1);
        Counts.Add(new Count(run.Job.Name, run.Id, run.FencingToken, value + 1));
        return outcome;
    }

    private static CommandOutcome.Exited Exit(int status) => new(status);

    private bool Begin(Run run)
    {
        var (token, value) = _counters.GetValueOrDefault(run.Job.Name);
        if (token > run.FencingToken)
        {
            return false;
        }

        _counters[run.Job.Name] = (run.FencingToken, value);
        _counting[run.Key] = value;
        return true;
    }

    /// <summary>A start, with its end, if the command could write it.</summary>
    internal sealed class Mark(Run run, string worker, long at)
    {
        private readonly string _job = run.Name.Value; // Not the run, whose definition takes most of its memory.
        private readonly string _runId = run.Id;
        private readonly int _attempt = run.Spec.Attempt;
        private readonly long _token = run.FencingToken;

        public long? EndedAt { get; set; }

        public Start ToStart() => new(
            _job,
            _runId,
            PlanTime: "", // The run id says it.
            _attempt,
            _token,
            worker,
            Seconds(at),
            EndedAt is { } end ? Seconds(end) : null);

        private static double Seconds(long at) => SimWorld.At(at).ToUnixTimeMilliseconds() / 1000.0 + (at % SimWorld.Ms / 1e6);
    }
}
