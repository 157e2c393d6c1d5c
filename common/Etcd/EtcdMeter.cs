using System.Diagnostics.Metrics;
using Dts.Common.Metrics;

namespace Dts.Common.Etcd;

/// <summary>Measures calls to etcd.</summary>
public static class EtcdMeter
{
    private static readonly Meter Meter = new("Dts.Etcd");

    public static Histogram<double> Calls { get; } = Meter.CreateHistogram(
        "dts.etcd.call.duration", "s", "Time that calls to etcd took, with all their tries.", advice: Bounds.Advice(Bounds.Call));
}
