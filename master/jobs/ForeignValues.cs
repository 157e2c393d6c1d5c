using Dts.Common.Hosting;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Logs the values in etcd that DTS did not write and skips, each revision once.</summary>
internal sealed class ForeignValues(ILogger log)
{
    private const int RememberedMax = 1000;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _reported = [];

    public void Report(KeyValue pair, string why) => Report(pair.Key.ToStringUtf8(), pair.ModRevision, why);

    public void Report(string key, long revision, string why)
    {
        lock (_gate)
        {
            if (!_reported.Add($"{revision}"))
            {
                return;
            }

            if (_reported.Count > RememberedMax)
            {
                _reported.Clear();
            }
        }

        var line = Display.Line(key);
        log.DocumentSkipped(line, why);
    }
}
