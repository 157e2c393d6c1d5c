using Google.Protobuf;

namespace Dts.Common.Etcd;

/// <summary>Changes in the order of their revisions; applied together they lead from one state of the table to a later one.</summary>
/// <param name="Listed">
/// The batch completes a listing: the first one (read in parts: its last part), and each time the table is listed again.
/// </param>
/// <param name="IsLive">
/// They were reported as they happened; false when they happened before the watch was there, or while it was cut off.
/// </param>
/// <param name="IsOtherData">etcd was restored or wiped: revisions of earlier batches cannot be compared with those from here on.</param>
internal sealed record ChangeBatch(IReadOnlyList<KeyChange> Changes, bool Listed, bool IsLive, bool IsOtherData = false);

/// <summary>One key that was put or deleted.</summary>
internal abstract record KeyChange
{
    private KeyChange(string key, long modRevision) => (Key, ModRevision) = (key, modRevision);

    public string Key { get; }

    public long ModRevision { get; }

    public sealed record Put(
        string Key, long ModRevision, long CreateRevision, LeaseId Lease, ByteString Value) : KeyChange(Key, ModRevision);

    public sealed record Deleted(string Key, long ModRevision) : KeyChange(Key, ModRevision);
}
