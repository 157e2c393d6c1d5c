namespace Dts.Common.Etcd;

/// <summary>Changes in the order of their revisions; together they lead from one state of the table to a later one.</summary>
/// <param name="Listed">They come from a listing, not from events: the first batch always, later ones after a compaction.</param>
/// <param name="IsLive">They came as they happened; false when they are told afterwards, because the watch was cut off then or not there yet.</param>
/// <param name="IsOtherData">etcd was restored or wiped: revisions of earlier batches cannot be compared with those from here on.</param>
public sealed record ChangeBatch(IReadOnlyList<KeyChange> Changes, bool Listed, bool IsLive, bool IsOtherData = false);
