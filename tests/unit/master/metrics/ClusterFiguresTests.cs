using Dts.Common.Jobs;
using Dts.Common.Metrics;
using Dts.Master.Metrics;
using Dts.Tests.Support;
using Dts.Tests.Unit.Master.Views;
using Xunit;

namespace Dts.Tests.Unit.Master.Metrics;

public sealed class ClusterFiguresTests
{
    private readonly SomeCluster _cluster = new();

    [Fact]
    public void Jobs_are_counted_by_state()
    {
        _cluster.Put(Some.Job("well"), Some.Job("ill"), Some.Job("paused") with { Enabled = false });
        _cluster.Load([.. _cluster.Ended("well", RunStatus.Succeeded), .. _cluster.Ended("ill", RunStatus.Failed)]);

        Assert.Equal((1, 1), (Find("dts_jobs", "well"), Find("dts_jobs", "failing")));
        Assert.Equal((1, 0), (Find("dts_jobs", "paused"), Find("dts_jobs", "new")));
    }

    [Fact]
    public void Runs_and_live_workers_are_counted()
    {
        _cluster.Put(Some.Job("a"), Some.Job("b"));
        _cluster.Register("w1");
        _cluster.Register("w2", refuses: "its clock is off");
        _cluster.Register("gone");
        _cluster.Leave("gone");
        _cluster.Begin("a");
        _cluster.Queue("b");

        Assert.Equal((1, 1), (Find("dts_runs_in_flight"), Find("dts_runs_queued")));
        Assert.Equal((1, 1), (Find("dts_workers", "live"), Find("dts_workers", "refusing")));
        Assert.Equal(["w1", "w2"], Of("dts_worker_slots").Samples.Select(sample => sample.Labels[0].Value));
    }

    [Fact]
    public void A_run_without_a_record_counts_after_ten_minutes_unless_it_was_lost()
    {
        _cluster.Put(Some.Job("a"), Some.Job("b"));
        _cluster.Load();
        foreach (var job in (string[])["a", "b"])
        {
            _cluster.End(job, _cluster.Begin(job).Id);
        }

        _cluster.Now += TimeSpan.FromMinutes(9);
        _cluster.Load(SomeCluster.Ended("b", RunStatus.Lost, Some.Now));
        Assert.Equal(0, Find("dts_fires_without_ending"));
        _cluster.Time.Step(TimeSpan.FromHours(1));
        Assert.Equal(0, Find("dts_fires_without_ending"));

        _cluster.Now += TimeSpan.FromMinutes(2);
        Assert.Equal(1, Find("dts_fires_without_ending"));

        _cluster.Load(SomeCluster.Ended("a", RunStatus.Succeeded, Some.Now), SomeCluster.Ended("b", RunStatus.Lost, Some.Now));
        Assert.Equal(0, Find("dts_fires_without_ending"));
    }

    [Fact]
    public void Measurements_of_workers_come_from_their_registrations()
    {
        _cluster.Register(
            "w1",
            figures: new WorkerFigures(
                new Dictionary<string, long> { ["succeeded"] = 5, ["failed"] = 2 },
                Lag: new Counted([.. Bounds.Lag.Select(_ => 1L), 3], 4.5),
                Took: new Counted([1, 2], 3), // Of a version with other bounds.
                Spool: 7));

        Assert.Equal((2, 5), (Find("dts_runs_total", "failed"), Find("dts_runs_total", "succeeded")));
        Assert.Equal(7, Find("dts_worker_spool_records"));
        Assert.Equal(16, Assert.Single(Of("dts_run_start_lag_seconds").Samples).Distribution!.Count);
        Assert.DoesNotContain(Read(), family => family.Name == "dts_run_duration_seconds");
    }

    private List<Family> Read() => [.. ClusterFigures.Of(_cluster.State)];

    private Family Of(string name) => Assert.Single(Read(), family => family.Name == name);

    private double Find(string name, string label = "") =>
        Assert.Single(Of(name).Samples, sample => label.Length == 0 || sample.Labels.Any(has => has.Value == label)).Value;
}
