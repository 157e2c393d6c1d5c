using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Sessions;
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
    public async Task A_working_service_sends_heartbeats_in_time_and_its_state_when_it_changes()
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

        await EndAsync(beating);
    }

    [Fact]
    public async Task A_service_that_cannot_prove_its_work_stays_silent_until_it_can()
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

        await EndAsync(beating);
    }

    [Fact]
    public async Task A_watchdog_of_another_process_gets_no_heartbeat()
    {
        var beating = new Heartbeat(
            new SystemdNotifier(_systemd.Path, Watchdog: null),
            _ => Task.CompletedTask,
            _ => Task.FromResult("well"),
            TimeProvider.System).RunAsync(_end.Token);

        Assert.Equal("STATUS=well", await _systemd.HearSoon(""));

        await EndAsync(beating);
    }

    [Fact]
    public async Task The_worker_is_well_only_while_its_loop_answers_and_then_says_how_it_stands()
    {
        using var scratch = new ScratchFolder();
        var log = new RecordedLog();
        using var etcd = new EtcdClient(
            new EtcdOptions([new Uri("http://127.0.0.1:1")], TimeSpan.FromSeconds(1)), TimeProvider.System, log);
        using var spool = Spool.Open(scratch.File("spool"), 1 << 20, log);
        var inbox = new FireInbox();
        var sessions = new SessionKeeper(
            etcd, "/key", TimeSpan.FromSeconds(10), () => "", _ => false, _ => Task.CompletedTask, () => false, log);
        var vitals = new Vitals(inbox, sessions, spool, new RefusedRecords(scratch.File("refused")));

        var beforeTheLoopTurns = vitals.ProveAsync(_end.Token);
        var probe = Assert.IsType<FireEvent.Probe>(await inbox.Reader.ReadAsync());
        Assert.False(beforeTheLoopTurns.IsCompleted); // The loop has it, and does nothing.
        probe.Answer.SetResult(new FireFigures(Jobs: 0, Running: 3, Slots: 8, LagMs: 0.46));
        await beforeTheLoopTurns.WaitAsync(Patience.Limit);

        Assert.Equal("0 jobs; 3 of 8 slots running; last start 0.5 ms late; no session; 0 records wait in the spool", vitals.Describe());
        inbox.Writer.Complete();
        await vitals.ProveAsync(_end.Token); // Stopping: there is nothing to prove.
    }

    /// <summary>Closes the socket first: a heartbeat waits while there is no room for it.</summary>
    private async Task EndAsync(Task beating)
    {
        await _end.CancelAsync();
        _systemd.Dispose();
        await beating.WaitAsync(Patience.Limit);
    }
}
