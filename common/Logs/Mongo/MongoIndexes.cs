namespace Dts.Common.Logs.Mongo;

/// <summary>The indexes of the log's collections, those by which MongoDB removes what has expired among them.</summary>
internal static class MongoIndexes
{
    private static readonly (string Collection, (string Name, Action<BsonWriter> Keys, bool Expires)[] Indexes)[] All =
    [
        ("log", [
            ("dts_job", keys => keys.Int("jobName", 1).Int("startTime", -1).Int("_id", -1), false),
            ("dts_start", keys => keys.Int("startTime", -1).Int("_id", -1), false),
            ("dts_status", keys => keys.Int("status", 1).Int("startTime", -1).Int("_id", -1), false),
            ("dts_plan", keys => keys.Int("jobName", 1).Int("planTime", 1), false),
            ("dts_expire", keys => keys.Int("expireAt", 1), true)]),
        ("output", [
            ("dts_run", keys => keys.Int("run", 1).Int("offset", 1), false),
            ("dts_expire", keys => keys.Int("expireAt", 1), true)]),
        ("stats", [("dts_job", keys => keys.Int("jobName", 1).Int("day", 1), false)]),
    ];

    /// <exception cref="LogStoreException">The database cannot be reached, or does not allow it.</exception>
    public static void Make(MongoDatabase database)
    {
        foreach (var (collection, indexes) in All)
        {
            database.TryRun(new BsonWriter().Text("create", collection)); // createIndexes on a collection that does not exist is refused by some servers.
            database.Run(new BsonWriter().Text("createIndexes", collection).Array("indexes", all =>
            {
                foreach (var (name, keys, expires) in indexes)
                {
                    all.Document(index => _ = expires
                        ? index.Text("name", name).Document("key", keys).Int("expireAfterSeconds", 0)
                        : index.Text("name", name).Document("key", keys));
                }
            }));
        }
    }

    /// <summary>The names of those that are not there, with their collections.</summary>
    public static IEnumerable<string> FindMissing(MongoDatabase database) => All.SelectMany(collection =>
    {
        // A collection that is not there yet is refused, and has none.
        var there = database.TryRun(new BsonWriter().Text("listIndexes", collection.Collection))["cursor"]["firstBatch"].Elements.Select(index => index.Value["name"].AsText).ToHashSet();
        return collection.Indexes.Where(index => !there.Contains(index.Name)).Select(index => $"{collection.Collection}.{index.Name}");
    });
}
