namespace Dts.Common.Etcd;

/// <summary>An etcd lease. The default, 0, is no lease.</summary>
public readonly record struct LeaseId(long Value)
{
    /// <summary>As etcdctl prints it.</summary>
    public override string ToString() => Value.ToString("x");
}
