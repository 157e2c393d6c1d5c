using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Dts.Worker.Watches;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class HeartbeatTests : IDisposable
{
    private static readonly TimeSpan Watchdog = TimeSpan.FromMilliseconds(300);

    private readonly NotifySocket _systemd = new();
    private readonly CancellationTokenSource _end = new();

    public void Dispose()
    {
        _systemd.Dispose();
        _end.Dispose();
    }

    [Fact]
    public async Task A_service_that_does_its_work_says_so_in_time_and_its_state_when_that_changes()
    {
        var state = "1 job";
        var beating = new Heartbeat(
            new SystemdNotifier(_systemd.Path, Watchdog),
            _ => Task.CompletedTask,
            _ => Task.FromResult(state),
            TimeProvider.System).RunAsync(_end.Token);

        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon(""));
        Assert.Equal("STATUS=1 job", await _systemd.HearSoon(""));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon(""));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon(""));
        state = "2 jobs\nREADY=1";
        Assert.Equal("STATUS=2 jobs READY=1", await _systemd.HearSoon("STATUS="));

        await _end.CancelAsync();
        await beating;
    }

    [Fact]
    public async Task A_service_that_cannot_prove_its_work_says_nothing_until_it_can()
    {
        var proof = new TaskCompletionSource();
        var asked = new TaskCompletionSource();
        var beating = new Heartbeat(
            new SystemdNotifier(_systemd.Path, Watchdog),
            cancel =>
            {
                asked.TrySetResult();
                return proof.Task.WaitAsync(cancel);
            },
            _ => Task.FromResult("well"),
            TimeProvider.System).RunAsync(_end.Token);
        await asked.Task;

        new SystemdNotifier(_systemd.Path, null).Status("asked, and not proved yet");
        proof.SetResult();

        Assert.Equal("STATUS=asked, and not proved yet", await _systemd.HearSoon(""));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon(""));

        await _end.CancelAsync();
        await beating;
    }

    [Fact]
    public async Task A_watchdog_that_waits_for_another_process_hears_nothing_of_us()
    {
        var beating = new Heartbeat(
            new SystemdNotifier(_systemd.Path, Watchdog: null),
            _ => Task.CompletedTask,
            _ => Task.FromResult("well"),
            TimeProvider.System).RunAsync(_end.Token);

        Assert.Equal("STATUS=well", await _systemd.HearSoon(""));

        await _end.CancelAsync();
        await beating;
    }

    [Fact]
    public async Task A_pulse_comes_out_of_the_worker_only_while_every_loop_turns()
    {
        using var scratch = new ScratchFolder();
        var log = new RecordedLog();
        using var etcd = new EtcdClient(
            new EtcdOptions([new Uri("http://127.0.0.1:1")], TimeSpan.FromSeconds(1)), TimeProvider.System, log);
        using var spool = Spool.Open(scratch.File("spool"), 1 << 20, log);
        var inbox = Channel.CreateBounded<ScheduleMessage>(10);
        var orders = Channel.CreateBounded<FireOrder>(10);
        var sessions = new SessionKeeper(
            etcd, "/key", TimeSpan.FromSeconds(10), () => "", _ => false, _ => Task.CompletedTask, () => false, log);
        var vitals = new Vitals(inbox.Writer, sessions, new Slots(8), spool, new RefusedRecords(scratch.File("refused")));

        var beforeTheSchedulerTurns = vitals.ProveAsync(_end.Token);
        using var alarm = new Alarm(_ => { });
        var scheduler = new Scheduler(
            "w1",
            new Roster("w1", new Dictionary<string, string>()),
            TimeSpan.FromSeconds(1),
            inbox.Reader,
            orders.Writer,
            alarm,
            _ => { },
            TimeProvider.System,
            log).RunAsync();
        var passedOn = Assert.IsType<FireOrder.Beat>(await orders.Reader.ReadAsync());
        Assert.False(beforeTheSchedulerTurns.IsCompleted); // The claimer has it, and does nothing.
        (passedOn.Pulse.Running, passedOn.Pulse.LagMs) = (3, 0.46);
        passedOn.Pulse.ComeOut();
        await beforeTheSchedulerTurns.WaitAsync(Patience.Limit);

        Assert.Equal("0 jobs; 3 of 8 slots running; last start 0.5 ms late; no session; 0 records wait in the spool", vitals.Describe());
        inbox.Writer.Complete();
        await scheduler;
        await vitals.ProveAsync(_end.Token); // Stopping: there is nothing to prove.
    }
}
