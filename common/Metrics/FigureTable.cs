using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Dts.Common.Metrics;

/// <summary>Adds up the measurements of this process, of meters whose names begin with Dts.</summary>
/// <remarks>Thread-safe. An instrument has at most one tag, whose value is a text of a small set.</remarks>
public sealed class FigureTable : IDisposable
{
    private const string Ours = "Dts";

    private readonly ConcurrentDictionary<Instrument, ConcurrentDictionary<Label, Cell>> _cells = new();
    private readonly MeterListener _listener = new();

    public FigureTable()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name.StartsWith(Ours, StringComparison.Ordinal))
            {
                _cells[instrument] = new();
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>All instruments with measurements, named as in Prometheus.</summary>
    public IReadOnlyList<Family> Read()
    {
        _listener.RecordObservableInstruments();
        return
        [
            .. from instrument in _cells
               where !instrument.Value.IsEmpty
               let kind = KindOf(instrument.Key)
               let name = NameOf(instrument.Key, kind)
               orderby name
               select new Family(name, kind, instrument.Key.Description ?? "", [.. SamplesOf(instrument.Value)]),
        ];
    }

    /// <summary>The histogram of an instrument over all tags; null = no measurement yet.</summary>
    public Distribution? Find(Histogram<double> instrument) =>
        _cells.TryGetValue(instrument, out var cells) && !cells.IsEmpty
            ? cells.Values.Select(cell => cell.Read().Distribution!).Aggregate((one, other) => new Distribution(
                one.Bounds, [.. one.Counts.Zip(other.Counts, (a, b) => a + b)], one.Sum + other.Sum))
            : null;

    /// <summary>The counts of an instrument by the value of its tag.</summary>
    public Dictionary<string, long> Find(Counter<long> instrument) =>
        _cells.TryGetValue(instrument, out var cells)
            ? cells.ToDictionary(cell => cell.Key.Value ?? "", cell => (long)cell.Value.Read().Value)
            : [];

    public void Dispose() => _listener.Dispose();

    private static FamilyKind KindOf(Instrument instrument) => instrument switch
    {
        Histogram<double> => FamilyKind.Histogram,
        Counter<long> or Counter<double> or ObservableCounter<long> or ObservableCounter<double> => FamilyKind.Counter,
        _ => FamilyKind.Gauge,
    };

    private static string NameOf(Instrument instrument, FamilyKind kind) =>
        instrument.Name.Replace('.', '_')
            + (instrument.Unit == "s" ? "_seconds" : instrument.Unit == "By" ? "_bytes" : "")
            + (kind == FamilyKind.Counter ? "_total" : "");

    private static IEnumerable<Sample> SamplesOf(ConcurrentDictionary<Label, Cell> cells) =>
        from cell in cells
        orderby cell.Key.Value
        let read = cell.Value.Read()
        select new Sample(cell.Key.Name is null ? [] : [cell.Key], read.Value, read.Distribution);

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var label = tags.Length > 0 ? new Label(tags[0].Key, tags[0].Value as string ?? "") : default;
        if (_cells.TryGetValue(instrument, out var cells))
        {
            cells.GetOrAdd(label, static (_, of) => new Cell(of), instrument).Note(value);
        }
    }

    private sealed class Cell(Instrument instrument)
    {
        private readonly FamilyKind _kind = KindOf(instrument);
        private readonly IReadOnlyList<double> _bounds = (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? [];
        private readonly long[] _counts = new long[((instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries?.Count ?? 0) + 1];
        private readonly Lock _gate = new();
        private double _value;

        public void Note(double value)
        {
            lock (_gate)
            {
                if (_kind == FamilyKind.Histogram)
                {
                    var at = 0;
                    while (at < _bounds.Count && value > _bounds[at])
                    {
                        at++;
                    }

                    _counts[at]++;
                }

                _value = _kind == FamilyKind.Gauge ? value : _value + value;
            }
        }

        public (double Value, Distribution? Distribution) Read()
        {
            lock (_gate)
            {
                return (_value, _kind == FamilyKind.Histogram ? new Distribution(_bounds, [.. _counts], _value) : null);
            }
        }
    }
}
