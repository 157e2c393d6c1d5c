using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

/// <summary>A worker's fires with a session of their own and a real etcd; what it would start and record is kept instead.</summary>
internal sealed class ClaimingWorker : IAsyncDisposable
{
    private readonly FireInbox _inbox = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<Run> _started = [];
    private readonly List<Ending> _recorded = [];
    private readonly Channel<Ending> _endings = Channel.CreateUnbounded<Ending>();
    private readonly List<FireAction.Kill> _killed = [];
    private readonly HashSet<Task> _asked = [];
    private readonly RecordedLog _log;
    private readonly Alarm _alarm;
    private readonly Fires _fires;
    private readonly FireRequests _requests;
    private readonly OwedEndings _owed;
    private readonly Task _deciding;
    private readonly Task _keeping;

    public ClaimingWorker(
        EtcdClient etcd, Keys keys, string id, RecordedLog log, int slots = 100, TimeSpan? ttl = null, double claimAheadSeconds = 1)
    {
        _log = log;
        _alarm = new Alarm(_ => _inbox.Wake());
        Sessions = new SessionKeeper(
            etcd, keys.Worker(id), ttl ?? TimeSpan.FromSeconds(30), () => id, _ => false, _ => Task.CompletedTask, () => false, log);
        _keeping = Sessions.RunAsync(_stop.Token);
        _fires = new Fires(
            new FireContext(id, keys, CronZone.Utc, TimeSpan.FromSeconds(claimAheadSeconds), slots, DateTimeOffset.UtcNow),
            new Dictionary<string, string>());
        _requests = new FireRequests(etcd, log);
        _owed = new OwedEndings(keys, new RecordWriter(id, "host", TimeSpan.FromDays(30)), _endings.Writer, log);
        _deciding = RunAsync();
    }

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

    public IReadOnlyList<FireAction.Kill> Killed
    {
        get
        {
            lock (_gate)
            {
                return [.. _killed];
            }
        }
    }

    public Task SessionSoonAsync() => Patience.Until(() => Sessions.Current is { Holds: true }, () => "no session");

    /// <summary>Gives the worker a fire to claim.</summary>
    public ValueTask ClaimAsync(Fire fire) => SendAsync(new FireEvent.Due(fire));

    public ValueTask SendAsync(FireEvent happened) => _inbox.Writer.WriteAsync(happened);

    /// <summary>The run has ended, and its completion stands in etcd.</summary>
    public void Complete(Run run) => _inbox.Post(new FireEvent.Completed(run));

    public async ValueTask DisposeAsync()
    {
        _inbox.Writer.TryComplete();
        await _deciding.WaitAsync(Patience.Limit);
        await _stop.CancelAsync();
        await _keeping.WaitAsync(Patience.Limit);
        _alarm.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        await foreach (var happened in _inbox.Reader.ReadAllAsync())
        {
            Decide(happened);
            await Task.Yield();
        }

        Decide(new FireEvent.Stopping());
        await Task.WhenAll(_asked);
        Decide(new FireEvent.Tick());
    }

    private void Decide(FireEvent happened)
    {
        Perform(_fires.Take(happened, MomentNow()));
        while (_inbox.TryTakePosted(out var posted))
        {
            Perform(_fires.Take(posted, MomentNow()));
        }

        _alarm.Set(_fires.NextDue);
    }

    private Moment MomentNow()
    {
        var session = Sessions.Current;
        return new Moment(DateTimeOffset.UtcNow, session?.Lease, session?.HoldsFor ?? TimeSpan.Zero, MayClaim: true);
    }

    private void Perform(IReadOnlyList<FireAction> actions)
    {
        foreach (var action in actions)
        {
            switch (action)
            {
                case FireAction.Ask(var request):
                    _asked.Add(Task.Run(async () => _inbox.Post(await _requests.AskAsync(request))));
                    break;
                case FireAction.RequestEnd(var fire, var txn):
                    _asked.Add(Task.Run(async () =>
                    {
                        if (!await _requests.TryAsync(txn))
                        {
                            _inbox.Post(new FireEvent.EndNotRequested(fire));
                        }
                    }));
                    break;
                case FireAction.Prepare(var runs):
                    runs.ToList().ForEach(run => Keep(_started, run));
                    _inbox.Post(new FireEvent.Prepared([.. runs.Select(run => new Preparation(run, Refusal: null))]));
                    break;
                case FireAction.RecordOwed(var name, var job, var owed):
                    Assert.True(_owed.TryRecord(name, job, owed));
                    Assert.True(_endings.Reader.TryRead(out var ending));
                    Keep(_recorded, ending);
                    break;
                case FireAction.Kill kill:
                    Keep(_killed, kill);
                    break;
                case FireAction.LogCursorReplaced(var key, var value):
                    _log.DocumentRemoved(key, value);
                    break;
            }
        }
    }

    private void Keep<T>(List<T> list, T item)
    {
        lock (_gate)
        {
            list.Add(item);
        }
    }
}
