using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Worker.Records;
using Dts.Worker.Runs;

namespace Dts.Tests.Simulation;

/// <summary>
/// The way of an ending: into the spool, as <see cref="Recorder"/> has it; out of etcd, as <see cref="Completer"/>; to the log store, as
/// <see cref="LogShipper"/>.
/// </summary>
internal sealed class SimRecords(SimWorld world, SimWorker worker, SimCluster cluster, CompletionTxn txn)
{
    private const int AppendedAtOnce = 256;
    private const int CompletedAtOnce = 100;
    private const int ShippedAtOnce = 100;
    private const long DiskPause = 200 * SimWorld.Ms;
    private const long EtcdPause = 300 * SimWorld.Ms;
    private const long StorePause = SimWorld.Second;

    private readonly List<Ending> _waiting = [];
    private readonly List<Ending> _completing = [];
    private readonly HashSet<string> _owed = [];
    private int _passedOn;
    private bool _isAppending;
    private bool _isCompleting;
    private bool _isShipping;

    /// <summary>All endings are in the spool, and all completions in etcd.</summary>
    public bool IsIdle => _waiting.Count == 0 && _completing.Count == 0;

    private SimDisk Disk => worker.Host.Disk;

    public void Start() => Ship();

    public void Add(Ending ending)
    {
        if (cluster.LosesRecords)
        {
            _completing.Add(ending);
            worker.In(100 * SimWorld.Ms, () => Append(ending));
            Complete();
            return;
        }

        if (ending.Run is not null || !_owed.Contains(ending.Record.Id))
        {
            _waiting.Add(ending);
            Append();
        }
    }

    private void Append()
    {
        if (!_isAppending && _waiting.Count > 0)
        {
            _isAppending = true;
            worker.In(world.Chance(0.01) ? world.Between(1, 150 * SimWorld.Ms) : world.Between(500, 4 * SimWorld.Ms), Appended);
        }
    }

    private void Appended()
    {
        if (Disk.IsFull)
        {
            PassOnAsOwed();
            worker.In(DiskPause, Appended);
            return;
        }

        _isAppending = false;
        var taken = Math.Min(AppendedAtOnce, _waiting.Count);
        for (var index = 0; index < taken; index++)
        {
            var ending = _waiting[index];
            Append(ending);
            _owed.Remove(ending.Record.Id);
            _completing.Add(index < _passedOn && ending.Run is { } run
                ? new Ending(ending.Record, null, cluster.Keys.Owed(run.Name, run.Id))
                : ending);
        }

        _waiting.RemoveRange(0, taken);
        _passedOn = Math.Max(0, _passedOn - taken);
        Ship();
        Complete();
        Append();
    }

    private void Append(Ending ending)
    {
        world.Note("is in the spool", worker.Host.Id, ending.Record.Id);
        if (ending is { Run: not null, Record.ExitCode: not null })
        {
            cluster.Exited.Add(ending.Record.Id);
        }

        Disk.Append(ending.Record);
    }

    private void PassOnAsOwed()
    {
        for (; _passedOn < _waiting.Count; _passedOn++)
        {
            _owed.Add(_waiting[_passedOn].Record.Id);
            if (_waiting[_passedOn] is { Run: { } run } ending)
            {
                world.Tally("endings passed on past a full disk");
                _completing.Add(ending with { OwedKey = cluster.Keys.Owed(run.Name, run.Id) });
            }
        }

        Complete();
    }

    private void Complete()
    {
        if (!_isCompleting && _completing.Count > 0)
        {
            _isCompleting = true;
            List<Ending> together = _completing.Count == 1
                ? [_completing[0]]
                : [.. _completing.Take(CompletedAtOnce).DistinctBy(ending => ending.Record.Id)];
            Complete(together, () => Done(together));
        }
    }

    private void Complete(List<Ending> left, Action done)
    {
        var now = worker.Clocks.Now;
        var next = left.ConvertAll(ending => txn.FollowUpsOf(ending, now, world.Random.NextDouble()));
        worker.Link.Txn(
            worker,
            Txn.All(left.Zip(next, txn.Complete)),
            answer =>
            {
                var again = left
                    .Where((ending, i) => ending.Run is { } run && !txn.IsSettled(run, answer.Responses[i].ResponseTxn))
                    .ToList();
                if (again.Count > 0)
                {
                    Complete(again, done);
                }
                else
                {
                    done();
                }
            },
            failure =>
            {
                if (failure.Error != EtcdError.Refused)
                {
                    worker.In(EtcdPause, () =>
                    {
                        _isCompleting = false;
                        Complete();
                    });
                }
                else if (left.Count > 1)
                {
                    CompleteOneByOne(left, 0, done);
                }
                else
                {
                    done();
                }
            },
            isRepeatable: true);
    }

    private void CompleteOneByOne(List<Ending> left, int index, Action done)
    {
        if (index < left.Count)
        {
            Complete([left[index]], () => CompleteOneByOne(left, index + 1, done));
        }
        else
        {
            done();
        }
    }

    private void Done(List<Ending> done)
    {
        foreach (var ending in done)
        {
            _completing.Remove(ending);
            if (ending.Run is { } run)
            {
                world.Note("is completed", worker.Host.Id, run.Key);
                worker.Launcher.Completed(run);
                AnswerKills(run);
            }
        }

        _isCompleting = false;
        Complete();
    }

    private void AnswerKills(Run run)
    {
        if (run.KillRevision > 0)
        {
            worker.Link.Txn(worker, txn.AnswerKills(run), _ => { }, _ => { });
        }
    }

    private void Ship()
    {
        if (!_isShipping && Disk.Waiting > 0)
        {
            _isShipping = true;
            worker.In(world.Between(5, 200) * SimWorld.Ms, Write);
        }
    }

    private void Write()
    {
        if (cluster.Store.IsAway)
        {
            worker.In(StorePause, Write);
            return;
        }

        var batch = Disk.Peek(ShippedAtOnce);
        cluster.Store.Write(batch);
        worker.In(SimWorld.Ms, () =>
        {
            Disk.Shipped(batch.Count);
            _isShipping = false;
            Ship();
        });
    }

    /// <summary>Where the product writes what is owed.</summary>
    internal sealed class Sink(SimRecords records) : ChannelWriter<Ending>
    {
        public override bool TryWrite(Ending item)
        {
            records.Add(item);
            return true;
        }

        public override ValueTask<bool> WaitToWriteAsync(CancellationToken cancellationToken = default) => ValueTask.FromResult(true);
    }
}
