using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;
using Mvccpb;

namespace Dts.Worker.Records;

/// <summary>Records the endings that etcd holds under <c>owed/</c>: of planned fires that did not become runs, and of lost runs.</summary>
internal sealed class OwedEndings(Keys keys, RecordWriter recorder, ChannelWriter<Ending> endings, ILogger log)
{
    /// <param name="pair">The job's definition; null = the job is gone.</param>
    /// <param name="owed">Null = there is no ending to record.</param>
    public async Task RecordAsync(JobName name, KeyValue? pair, OwedEnding? owed)
    {
        if (owed is not null)
        {
            log.NotRun(name.Value, owed.Run.Id, owed.Status, owed.Why);
            await endings.WriteAsync(new Ending(Make(name, pair, owed), null, keys.Owed(name, owed.Run.Id)));
        }
    }

    /// <summary>The same without waiting. False = there is no room now, and the reaper finds the ending in etcd later.</summary>
    public bool TryRecord(JobName name, KeyValue? pair, OwedEnding owed) =>
        endings.TryWrite(new Ending(Make(name, pair, owed), null, keys.Owed(name, owed.Run.Id)));

    private RunRecord Make(JobName name, KeyValue? pair, OwedEnding owed)
    {
        var job = pair is not null && JobJson.TryParse(pair.Value.Memory, out var parsed, out _) ? parsed : new Job(name.Value, "", "");
        return recorder.Owed(job, pair?.ModRevision ?? 0, owed);
    }
}
