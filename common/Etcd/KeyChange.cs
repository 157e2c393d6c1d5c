using Google.Protobuf;

namespace Dts.Common.Etcd;

/// <summary>One key that was put or deleted.</summary>
public abstract record KeyChange
{
    private KeyChange(string key, long modRevision) => (Key, ModRevision) = (key, modRevision);

    public string Key { get; }

    public long ModRevision { get; }

    public sealed record Put(string Key, long ModRevision, long CreateRevision, LeaseId Lease, ByteString Value) : KeyChange(Key, ModRevision);

    public sealed record Deleted(string Key, long ModRevision) : KeyChange(Key, ModRevision);
}
