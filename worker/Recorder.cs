using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Puts endings into the spool, many with one fsync, and passes on what is complete with it.</summary>
internal sealed class Recorder(
    ChannelReader<Ending> endings, Spool spool, ChannelWriter<bool> appended, ChannelWriter<Ending> completed, TimeProvider time, ILogger log)
{
    private const int AtOnce = 256;
    private const int TriesAtTheEnd = 3;

    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    public async Task RunAsync()
    {
        var batch = new List<Ending>();
        while (await endings.WaitToReadAsync())
        {
            while (batch.Count < AtOnce && endings.TryRead(out var ending))
            {
                batch.Add(ending);
            }

            if (!await TryAppendAsync([.. batch.Select(ending => ending.Record)]))
            {
                break; // Their runs stay in etcd, and are found there.
            }

            appended.TryWrite(true); // full: the shipper has yet to look, and will see these, too
            foreach (var ending in batch)
            {
                await completed.WriteAsync(ending);
            }

            batch.Clear();
        }

        appended.Complete();
        completed.Complete();
    }

    /// <summary>False when the disk does not take them and the worker is ending.</summary>
    private async Task<bool> TryAppendAsync(IReadOnlyList<RunRecord> records)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                spool.Append(records);
                if (failures > 0)
                {
                    log.SpoolBack();
                }

                return true;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                if (failures == 0)
                {
                    log.SpoolFailed(failure.Message, endings.Count + records.Count);
                }

                if (endings.Completion.IsCompleted && failures >= TriesAtTheEnd)
                {
                    return false;
                }

                await Task.Delay(RetryPause, time);
            }
        }
    }
}
