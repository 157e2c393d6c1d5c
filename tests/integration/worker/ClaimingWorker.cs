using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;

namespace Dts.Tests.Integration.Worker;

/// <summary>A worker's claimer with a session of its own; what it would start and record is kept instead.</summary>
internal sealed class ClaimingWorker : IAsyncDisposable
{
    private readonly Channel<FireOrder> _inbox = Channel.CreateBounded<FireOrder>(1024);
    private readonly Channel<RunOrder> _starts = Channel.CreateUnbounded<RunOrder>();
    private readonly Channel<Ending> _endings = Channel.CreateUnbounded<Ending>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<Run> _started = [];
    private readonly List<Ending> _recorded = [];
    private readonly Alarm _alarm;
    private readonly ClockCheck _clocks;
    private readonly Task _all;
    private readonly Task _keeping;

    public ClaimingWorker(EtcdClient etcd, Keys keys, string id, RecordedLog log, int slots = 100, TimeSpan? ttl = null)
    {
        _alarm = new Alarm(_ => _inbox.Writer.TryWrite(new FireOrder.Tick()));
        Sessions = new SessionKeeper(
            etcd, keys.Worker(id), ttl ?? TimeSpan.FromSeconds(30), () => id, _ => false, _ => Task.CompletedTask, () => false, log);
        _keeping = Sessions.RunAsync(_stop.Token);
        _clocks = new ClockCheck(id, TimeProvider.System, log);
        var accounts = new Accounts(keys, new RecordWriter(id, "host", TimeSpan.FromDays(30)), _endings.Writer, log);
        var (slotsHere, ahead) = (new Slots(slots), TimeSpan.FromSeconds(1));
        var pending = new PendingFires(ahead, TimeProvider.System);
        var inTheWay = new RunsInTheWay(etcd, keys, Runs, pending);
        var requests = new ClaimRequests(
            etcd,
            keys,
            id,
            Sessions,
            ahead,
            slotsHere,
            Runs,
            _clocks,
            pending,
            inTheWay,
            () => _inbox.Writer.TryWrite(new FireOrder.Tick()),
            TimeProvider.System,
            log);
        var claimer = new Claimer(
            pending, requests, id, Sessions, CronZone.Utc, slotsHere, Runs, accounts, _inbox, _starts.Writer, _alarm, TimeProvider.System);
        _all = Task.WhenAll(claimer.RunAsync(), KeepStartsAsync(), KeepRecordsAsync());
    }

    public RunsInFlight Runs { get; } = new();

    public SessionKeeper Sessions { get; }

    public IReadOnlyList<Run> Started
    {
        get
        {
            lock (_gate)
            {
                return [.. _started];
            }
        }
    }

    public IReadOnlyList<Ending> Recorded
    {
        get
        {
            lock (_gate)
            {
                return [.. _recorded];
            }
        }
    }

    public Task SessionSoonAsync() => Patience.Until(() => Sessions.Current is { Holds: true }, () => "no session");

    public ValueTask OrderAsync(FireOrder order) => _inbox.Writer.WriteAsync(order);

    public async ValueTask DisposeAsync()
    {
        _inbox.Writer.TryComplete();
        await _all.WaitAsync(Patience.Limit);
        await _stop.CancelAsync();
        await _keeping.WaitAsync(Patience.Limit);
        _alarm.Dispose();
        _clocks.Dispose();
    }

    private async Task KeepStartsAsync()
    {
        await foreach (var order in _starts.Reader.ReadAllAsync())
        {
            if (order is RunOrder.Start(var run))
            {
                lock (_gate)
                {
                    _started.Add(run);
                }
            }
        }

        _endings.Writer.Complete();
    }

    private async Task KeepRecordsAsync()
    {
        await foreach (var ending in _endings.Reader.ReadAllAsync())
        {
            lock (_gate)
            {
                _recorded.Add(ending);
            }
        }
    }
}
