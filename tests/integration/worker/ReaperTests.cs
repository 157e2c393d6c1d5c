using System.Text.Json;
using System.Threading.Channels;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

/// <summary>When the reapers of two workers act. Their own clock stands still unless a test moves it.</summary>
public sealed class ReaperTests : EtcdTest, IClassFixture<EtcdServer>
{
    private readonly ManualTime _time = new();
    private int _claims;

    public ReaperTests(EtcdServer server)
        : base(server)
    {
    }

    [Fact]
    public async Task The_runs_of_a_worker_that_left_end_at_once_when_the_watch_reports_it_or_else_within_fifteen_seconds()
    {
        var former = await ClaimAsync();
        var reaper = Own(new RunningReaper(this, "w1"));
        await reaper.SessionSoonAsync();
        await TickUntilAsync(async () => await ReadAsync(former) is null); // The session is new.
        var first = await ClaimAsync();

        reaper.Left.TryWrite(true);
        await KeySoonAsync(first, value => value is null); // The clock has not moved.

        var second = await ClaimAsync();
        for (var seconds = 0; seconds < 14; seconds++)
        {
            await TickAsync();
        }

        Assert.NotNull(await ReadAsync(second));
        await TickUntilAsync(async () => await ReadAsync(second) is null);
    }

    [Fact]
    public async Task One_of_two_workers_reaps_and_the_other_takes_over_when_the_session_of_the_first_ends()
    {
        var first = Own(new RunningReaper(this, "w1"));
        await first.SessionSoonAsync();
        await TickUntilAsync(() => first.HoldsLockAsync());
        var second = Own(new RunningReaper(this, "w2"));
        await second.SessionSoonAsync();

        await first.DisposeAsync();
        var run = await ClaimAsync();
        second.Left.TryWrite(true);

        await KeySoonAsync(run, value => value is null);
        Assert.True(await second.HoldsLockAsync());
    }

    /// <summary>A run of a worker that is gone.</summary>
    private async Task<string> ClaimAsync()
    {
        var spec = RunSpec.Scheduled(Some.Now.AddSeconds(++_claims));
        var key = Keys.Run(JobName.Parse("hello"), spec.Id);
        await Etcd.PutAsync(key, JsonSerializer.Serialize(new ClaimedRun("gone", "99", Some.Now, spec), JobsJson.Readable.ClaimedRun));
        return key;
    }

    /// <summary>A second passes once the reapers wait for it.</summary>
    private async Task TickAsync()
    {
        await Patience.Until(() => _time.TimersSet > 0, () => $"{Log}");
        _time.Advance(TimeSpan.FromSeconds(1));
    }

    private async Task TickUntilAsync(Func<Task<bool>> condition)
    {
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (!await condition())
        {
            Assert.True(Environment.TickCount64 < deadline, $"{Log}");
            await TickAsync();
        }
    }

    /// <summary>A worker's session keeper and reaper.</summary>
    private sealed class RunningReaper : IAsyncDisposable
    {
        private readonly ReaperTests _test;
        private readonly string _id;
        private readonly CancellationTokenSource _stop = new();
        private readonly SessionKeeper _sessions;
        private readonly Settler _settler;
        private readonly ClockCheck _clocks;
        private readonly Task _running;

        public RunningReaper(ReaperTests test, string id)
        {
            (_test, _id) = (test, id);
            var (etcd, keys, log) = (test.Etcd, test.Keys, test.Log);
            var left = Channel.CreateBounded<bool>(1);
            Left = left.Writer;
            _clocks = new ClockCheck(id, TimeProvider.System, log);
            var owed = new OwedEndings(
                keys, new RecordWriter(id, "host", TimeSpan.FromDays(30)), Channel.CreateUnbounded<Ending>().Writer, log);
            _settler = new Settler(etcd, keys, id, new OwnRuns(), owed, _clocks, log);
            _sessions = new SessionKeeper(
                etcd, keys.Worker(id), TimeSpan.FromSeconds(60), () => "{}", _ => false, _ => Task.CompletedTask, () => false, log);
            var reaper = new Reaper(
                _sessions, new LeaseLock(etcd, keys.Lock("reaper"), id), _settler, new BrokenStore(), left.Reader, test._time, log);
            _running = Task.WhenAll(_sessions.RunAsync(_stop.Token), reaper.RunAsync(_stop.Token));
        }

        public ChannelWriter<bool> Left { get; }

        public Task SessionSoonAsync() => Patience.Until(() => _sessions.Current is { Holds: true }, () => $"{_test.Log}");

        public async Task<bool> HoldsLockAsync() => await _test.ReadAsync(_test.Keys.Lock("reaper")) == _id;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running.WaitAsync(Patience.Limit);
            _settler.Dispose();
            _clocks.Dispose();
        }
    }
}
