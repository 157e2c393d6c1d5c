using System.Diagnostics.Metrics;
using Dts.Common.Metrics;
using Dts.Master.Metrics;
using Xunit;

namespace Dts.Tests.Unit.Metrics;

public sealed class FigureTableTests : IDisposable
{
    private readonly Meter _meter = new($"Dts.Test.{Guid.NewGuid():N}");
    private readonly FigureTable _figures = new();
    private readonly string _own = $"t{Guid.NewGuid():N}";

    public void Dispose()
    {
        _meter.Dispose();
        _figures.Dispose();
    }

    [Fact]
    public void A_counter_adds_up_by_its_tag()
    {
        var runs = _meter.CreateCounter<long>($"{_own}.runs", "{run}", "Runs.");
        foreach (var status in (string[])["failed", "succeeded", "failed"])
        {
            runs.Add(1, new KeyValuePair<string, object?>("status", status));
        }

        Assert.Equal(
            $"# HELP {_own}_runs_total Runs.\n# TYPE {_own}_runs_total counter\n"
                + $"{_own}_runs_total{{status=\"failed\"}} 2\n{_own}_runs_total{{status=\"succeeded\"}} 1\n",
            Text());
        Assert.Equal(2, _figures.Find(runs)["failed"]);
    }

    [Fact]
    public void A_histogram_counts_up_to_each_of_its_bounds()
    {
        var lag = _meter.CreateHistogram<double>($"{_own}.lag", "s", "Lag.", advice: Bounds.Advice([0.5, 1]));
        foreach (var seconds in (double[])[0.25, 0.5, 0.75, 3])
        {
            lag.Record(seconds);
        }

        Assert.Equal(
            $"# HELP {_own}_lag_seconds Lag.\n# TYPE {_own}_lag_seconds histogram\n"
                + $"{_own}_lag_seconds_bucket{{le=\"0.5\"}} 2\n{_own}_lag_seconds_bucket{{le=\"1\"}} 3\n"
                + $"{_own}_lag_seconds_bucket{{le=\"+Inf\"}} 4\n{_own}_lag_seconds_sum 4.5\n{_own}_lag_seconds_count 4\n",
            Text());
        Assert.Equal([2, 1, 1], _figures.Find(lag)!.Counts);
    }

    [Fact]
    public void A_gauge_is_observed_when_it_is_read()
    {
        var waiting = 1L;
        _meter.CreateObservableGauge($"{_own}.waiting", () => waiting, "{record}", "Waiting.");
        _ = Text();
        waiting = 7;

        Assert.EndsWith($"{_own}_waiting 7\n", Text());
    }

    [Fact]
    public void Labels_and_help_are_escaped() => Assert.Equal(
        "# HELP dts_x a\\\\b\\nc \"d\"\n# TYPE dts_x gauge\ndts_x{worker=\"a\\\\b\\nc \\\"d\\\"\"} 1\n",
        PrometheusText.Write(
            [new Family("dts_x", FamilyKind.Gauge, "a\\b\nc \"d\"", [new Sample([new Label("worker", "a\\b\nc \"d\"")], 1)])]));

    private string Text() =>
        PrometheusText.Write(_figures.Read().Where(family => family.Name.StartsWith(_own, StringComparison.Ordinal)));
}
