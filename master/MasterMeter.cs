using System.Diagnostics.Metrics;
using Dts.Common.Metrics;

namespace Dts.Master;

/// <summary>The instruments of this process.</summary>
internal static class MasterMeter
{
    private static readonly Meter Meter = new("Dts.Master");

    private static readonly Histogram<double> StoreCalls = Meter.CreateHistogram(
        "dts.store.call.duration", "s", "Time that this master waited for the log store.", advice: Bounds.Advice(Bounds.Call));

    public static void AskedStore(TimeSpan took) => StoreCalls.Record(took.TotalSeconds);
}
