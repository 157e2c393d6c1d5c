using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class KeysTests
{
    private static readonly Keys Keys = new(Keys.DefaultPrefix);

    [Fact]
    public void The_original_s_keys_are_where_they_were()
    {
        var name = JobName.Parse("hello");

        Assert.Equal("/cron/jobs/hello", Keys.Job(name));
        Assert.Equal("/cron/killer/hello", Keys.Killer(name));
        Assert.Equal("/cron/lock/reaper", Keys.Lock("reaper"));
        Assert.Equal("/cron/workers/10.0.0.1", Keys.Worker("10.0.0.1"));
    }

    [Fact]
    public void Built_keys_are_parsed()
    {
        var name = JobName.Parse("备份 it");

        Assert.True(Keys.TryParseName(Keys.Job(name), Keys.Jobs, out var parsed));
        Assert.Equal(name, parsed);
        Assert.Equal((name, "20261122T100000Z"), Keys.TryParseRun(Keys.Run(name, "20261122T100000Z"), Keys.AllRuns));
        Assert.Null(Keys.TryParseRun("/cron/runs/it", Keys.AllRuns));
        Assert.Equal("w1", Keys.WorkerOf(Keys.Worker("w1")));
    }

    [Fact]
    public void A_key_below_a_job_s_key_is_not_a_job() => Assert.False(Keys.TryParseName("/cron/jobs/a/b", Keys.Jobs, out _));

    [Fact]
    public void The_runs_of_a_job_exclude_those_of_a_job_with_a_longer_name()
    {
        var other = Keys.Run(JobName.Parse("backup-db"), "20261122T100000Z");

        Assert.False(other.StartsWith(Keys.Runs(JobName.Parse("backup")), StringComparison.Ordinal));
    }
}
