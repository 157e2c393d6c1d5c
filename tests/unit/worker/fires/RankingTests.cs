using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class RankingTests
{
    private static readonly string[] Workers = ["alpha", "beta", "gamma", "delta", "10.0.0.5", "工人"];

    [Fact]
    public void All_workers_agree_on_who_comes_first_and_who_next()
    {
        foreach (var (job, planTime) in Fires(500))
        {
            var ranks = Workers.Select(worker => Ranking.RankOf(worker, Workers.Reverse().ToArray(), job, planTime));

            Assert.Equal(Enumerable.Range(0, Workers.Length), ranks.Order());
        }
    }

    [Fact]
    public void When_a_worker_goes_only_its_own_fires_move()
    {
        var left = Workers.Where(worker => worker != "gamma").ToArray();
        var moved = 0;
        foreach (var (job, planTime) in Fires(2000))
        {
            var (before, after) = (FirstOf(Workers, job, planTime), FirstOf(left, job, planTime));
            moved += before == "gamma" ? 1 : 0;

            Assert.True(before == "gamma" || before == after, $"{job} at {planTime} moved from {before} to {after}");
        }

        Assert.InRange(moved, 1, 1000);
    }

    [Fact]
    public void Fires_spread_evenly_over_time_and_over_jobs()
    {
        const int fires = 6000;
        var oneJob = Enumerable.Range(0, fires).Select(n => FirstOf(Workers, JobName.Parse("hello"), Some.Now.AddSeconds(n)));
        var oneTime = Enumerable.Range(0, fires).Select(n => FirstOf(Workers, JobName.Parse($"job-{n}"), Some.Now));

        foreach (var shares in new[] { oneJob.CountBy(worker => worker), oneTime.CountBy(worker => worker) })
        {
            Assert.Equal(Workers.Length, shares.Count());
            Assert.All(shares, share => Assert.InRange(share.Value, 850, 1150)); // 1000 expected, standard deviation 29
        }
    }

    [Fact]
    public void A_worker_alone_comes_first() => Assert.Equal(0, Ranking.RankOf("alpha", ["alpha"], JobName.Parse("hello"), Some.Now));

    [Fact]
    public void The_ranking_is_the_same_in_every_version()
    {
        var firsts = Enumerable.Range(0, 12)
            .Select(n => Array.IndexOf(Workers, FirstOf(Workers, JobName.Parse("hello"), Some.Now.AddSeconds(n))));

        Assert.Equal("1 0 1 2 3 4 5 3 1 3 0 3", string.Join(' ', firsts));
    }

    private static string FirstOf(string[] workers, JobName job, DateTimeOffset planTime) =>
        workers.Single(worker => Ranking.RankOf(worker, workers, job, planTime) == 0);

    private static IEnumerable<(JobName Job, DateTimeOffset PlanTime)> Fires(int count) =>
        Enumerable.Range(0, count).Select(n => (JobName.Parse($"job-{n % 50}"), Some.Now.AddSeconds(n / 50)));
}
