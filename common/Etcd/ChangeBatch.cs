namespace Dts.Common.Etcd;

/// <summary>Changes in the order of their revisions; together they lead from one state of the table to a later one.</summary>
/// <param name="Listed">They come from a listing, not from events: the first batch always, later ones after a compaction.</param>
public sealed record ChangeBatch(IReadOnlyList<KeyChange> Changes, bool Listed);
