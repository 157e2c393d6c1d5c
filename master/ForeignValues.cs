using Dts.Common;
using Dts.Common.Etcd.Wire;

namespace Dts.Master;

/// <summary>Names values in etcd that are none of ours and were skipped: each revision of one once, however often it is read.</summary>
internal sealed class ForeignValues(ILogger log)
{
    private const int RememberedMax = 1000;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _reported = [];

    public void Report(KeyValue pair, string why)
    {
        lock (_gate)
        {
            if (!_reported.Add($"{pair.ModRevision}"))
            {
                return;
            }

            if (_reported.Count > RememberedMax)
            {
                _reported.Clear();
            }
        }

        var key = Display.Line(pair.Key.ToStringUtf8());
        log.DocumentSkipped(key, why);
    }
}
