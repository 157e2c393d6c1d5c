using System.Globalization;
using System.Text;

namespace Dts.Tests.Simulation;

/// <summary>What came of many simulations.</summary>
internal sealed class SimSummary
{
    private readonly SortedDictionary<string, long> _tallies = new(StringComparer.Ordinal);
    private readonly List<Verdict> _failed = [];
    private long _requests;
    private long _events;
    private TimeSpan _simulated;
    private TimeSpan _took;

    public int Seeds { get; private set; }

    public long Runs { get; private set; }

    public void Add(Verdict verdict)
    {
        Seeds++;
        Runs += verdict.Starts;
        (_requests, _events) = (_requests + verdict.Requests, _events + verdict.Events);
        (_simulated, _took) = (_simulated + verdict.Simulated, _took + verdict.Took);
        foreach (var (what, count) in verdict.Tallies)
        {
            _tallies[what] = _tallies.GetValueOrDefault(what) + count;
        }

        if (verdict.Faults.Count > 0)
        {
            _failed.Add(verdict);
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{Runs:N0} runs in {Seeds} seeds, {_simulated.TotalHours:F1} simulated hours, {_took.TotalSeconds:F0} s: "
                + $"{Runs / _took.TotalSeconds:N0} runs a second, {(double)_requests / Runs:F2} requests to etcd and "
                + $"{(double)_events / Runs:F1} events a run; {GC.GetTotalPauseDuration().TotalSeconds:F0} s of it collected garbage");
        foreach (var (what, count) in _tallies)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{count,10:N0}  {what}");
        }

        text.Append(_failed.Count == 0 ? "no faults" : "faults found by seeds " + string.Join(' ', _failed.Select(failed => failed.Seed)));
        return text.ToString();
    }
}
