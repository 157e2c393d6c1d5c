using System.Threading.Channels;
using Dts.Common.Jobs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Records;

/// <summary>Writes endings into the spool, many with one fsync, and then passes them on for completion.</summary>
/// <remarks>
/// While the disk cannot be written, endings wait in memory. Their runs are completed all the same, with the endings owed in etcd: so the
/// job goes on, and its run has an ending even if this worker dies before the disk has room.
/// </remarks>
internal sealed class Recorder(
    Keys keys,
    ChannelReader<Ending> endings,
    Spool spool,
    ChannelWriter<bool> appended,
    ChannelWriter<Ending> completed,
    TimeProvider time,
    ILogger log)
{
    private const int AtOnce = 256;
    private const int WaitingMax = 10_000; // Beyond this, ended runs keep their slots.
    private const int OutputKeptMax = 256; // How many endings wait with their outputs; the outputs of later ones are shortened.
    private const long OutputMax = 16 << 20; // Characters of waiting output, without the last ending's.
    private const int TriesAtTheEnd = 3;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    private readonly List<Ending> _waiting = [];
    private readonly HashSet<string> _owed = []; // The ids of the waiting records that have been completed as owed.
    private long _output; // Characters of waiting output.
    private int _passedOn; // How many waiting endings, from the first on, have been completed as owed.

    public async Task RunAsync()
    {
        for (var failures = 0; _waiting.Count > 0 || await endings.WaitToReadAsync();)
        {
            while (_waiting.Count < (failures > 0 ? WaitingMax : AtOnce) && _output < OutputMax && endings.TryRead(out var ending))
            {
                if (!WaitsAsOwed(ending))
                {
                    _waiting.Add(ending);
                    _output += ending.TextLength;
                }
            }

            if (await TryAppendAsync(failures))
            {
                failures = 0;
            }
            else if (endings.Completion.IsCompleted && ++failures > TriesAtTheEnd)
            {
                break; // They are owed in etcd, and found there.
            }
            else
            {
                failures++;
                await PassOnAsOwedAsync();
                await Task.Delay(RetryPause, time);
            }
        }

        appended.Complete();
        completed.Complete();
    }

    /// <summary>
    /// The reaper found an owed ending in etcd that waits here. The waiting one is whole, and deletes the key once it is durable.
    /// </summary>
    private bool WaitsAsOwed(Ending ending) => ending.Run is null && _owed.Contains(ending.Record.Id);

    private async Task<bool> TryAppendAsync(int failures)
    {
        int taken;
        try
        {
            taken = spool.Append([.. _waiting.Take(AtOnce).Select(ending => ending.Record)]);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            if (failures == 0)
            {
                log.SpoolFailed(failure.Message, endings.Count + _waiting.Count);
            }

            return false;
        }

        if (failures > 0)
        {
            log.SpoolBack();
        }

        appended.TryWrite(true); // full: the shipper has yet to look, and will see these records, too
        for (var i = 0; i < taken; i++)
        {
            var ending = WithoutOutput(_waiting[i]);
            _owed.Remove(ending.Record.Id);
            WorkerMeter.Recorded(ending.Record);
            await completed.WriteAsync(
                i < _passedOn && ending.Run is { } run ? new Ending(ending.Record, null, keys.Owed(run.Name, run.Id)) : ending);
        }

        _output -= _waiting.Take(taken).Sum(ending => (long)ending.TextLength);
        _waiting.RemoveRange(0, taken);
        _passedOn = Math.Max(0, _passedOn - taken);
        return true;
    }

    private async Task PassOnAsOwedAsync()
    {
        for (; _passedOn < _waiting.Count; _passedOn++)
        {
            _owed.Add(_waiting[_passedOn].Record.Id);
            if (_waiting.Count > OutputKeptMax || _output > OutputMax / 2)
            {
                var whole = _waiting[_passedOn];
                _waiting[_passedOn] = whole with { Record = whole.Record.Shortened() };
                _output -= whole.TextLength - _waiting[_passedOn].TextLength;
            }

            if (_waiting[_passedOn] is { Run: { } run } ending)
            {
                await completed.WriteAsync(WithoutOutput(ending) with { OwedKey = keys.Owed(run.Name, run.Id) });
            }
        }
    }

    /// <summary>An ending for the completer, which does not use the output.</summary>
    private static Ending WithoutOutput(Ending ending) =>
        ending.TextLength > 0 ? ending with { Record = ending.Record with { Output = "", Processes = null } } : ending;
}
