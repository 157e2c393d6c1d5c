using System.Text;
using Dts.Common.Jobs;
using Dts.Common.Logs.Mongo;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Master.Versions;

/// <summary>The versions in MongoDB's collection <c>jobs</c>, a document each. The worker creates its indexes.</summary>
internal sealed class MongoVersionStore(string uri, TimeSpan connectTimeout, VersionLimits limits) : IVersionStore
{
    private const string Collection = "jobs";

    private static readonly BsonDocument LatestFirst = new() { { "jobName", 1 }, { "at", -1 }, { "revision", -1 } };
    private static readonly BsonDocument HeadOnly = new() { { "_id", 1 }, { "at", 1 }, { "isDeletion", 1 }, { "expireAt", 1 } };

    private readonly MongoDatabase _database = new(uri, connectTimeout);

    public Task WriteAsync(JobVersion version, CancellationToken cancel) => _database.RunAsync(async () =>
    {
        var jobs = _database.Collection(Collection);
        await jobs.UpdateOneAsync(
            WithId(version.Id), new BsonDocument("$setOnInsert", DocumentOf(version)), new UpdateOptions { IsUpsert = true }, cancel);
        var heads = await _database.FindAsync(Collection, new BsonDocument("jobName", version.JobName), LatestFirst, fields: HeadOnly);
        var (removed, changed) = limits.Apply([.. heads.Select(HeadOf)]);
        foreach (var (id, expireAt) in changed)
        {
            BsonValue expires = expireAt is { } moment ? new BsonDateTime(moment.ToUnixTimeMilliseconds()) : BsonNull.Value;
            await jobs.UpdateOneAsync(WithId(id), new BsonDocument("$set", new BsonDocument("expireAt", expires)), null, cancel);
        }

        if (removed.Count > 0)
        {
            await jobs.DeleteManyAsync(new BsonDocument("_id", new BsonDocument("$in", new BsonArray(removed))), cancel);
        }

        return true;
    });

    public Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, VersionCursor? after, int limit, CancellationToken cancel)
    {
        var filter = new BsonDocument("jobName", job.Value);
        if (after is { } place)
        {
            var at = new BsonDateTime(place.AtMs);
            filter.Add("$or", new BsonArray
            {
                new BsonDocument("at", new BsonDocument("$lt", at)),
                new BsonDocument { { "at", at }, { "revision", new BsonDocument("$lt", place.Revision) } },
            });
        }

        return FindAsync(filter, limit);
    }

    public async Task<JobVersion?> FindAsync(JobName job, long revision, CancellationToken cancel) =>
        await FindAsync(new BsonDocument { { "jobName", job.Value }, { "revision", revision } }, limit: 1) is [var found] ? found : null;

    /// <summary>A TTL index removes expired versions.</summary>
    public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.CompletedTask;

    public void Dispose() => _database.Dispose();

    private Task<IReadOnlyList<JobVersion>> FindAsync(BsonDocument filter, int limit) =>
        _database.RunAsync<IReadOnlyList<JobVersion>>(async () =>
            [.. (await _database.FindAsync(Collection, filter, LatestFirst, limit)).Select(Read)]);

    private static FilterDefinition<RawBsonDocument> WithId(string id) => new BsonDocument("_id", id);

    private static BsonDocument DocumentOf(JobVersion version) => new()
    {
        { "jobName", version.JobName },
        { "revision", version.Revision },
        { "at", new BsonDateTime(version.At.ToUnixTimeMilliseconds()) },
        { "by", version.Author.By },
        { "from", version.Author.From },
        { "former", version.Former },
        { "isDeletion", version.IsDeletion },
        { "job", version.Job is { } job ? JobJson.ToJson(job) : "" }, // As text, because the names of labels and variables may have dots.
    };

    private static VersionHead HeadOf(BsonDocument document) => new(
        document.Text("_id"),
        DateTimeOffset.FromUnixTimeMilliseconds(document.Long("at")),
        document.Bool("isDeletion"),
        document.Long("expireAt") is > 0 and var ms ? DateTimeOffset.FromUnixTimeMilliseconds(ms) : null);

    private static JobVersion Read(BsonDocument document)
    {
        var isRead = JobJson.TryParse(Encoding.UTF8.GetBytes(document.Text("job")), out var job, out _);
        return new JobVersion(
            document.Text("_id"),
            document.Text("jobName"),
            document.Long("revision"),
            DateTimeOffset.FromUnixTimeMilliseconds(document.Long("at")),
            new Author(document.Text("by"), document.Text("from")),
            document.Long("former"),
            isRead ? job : null,
            IsLost: !isRead && !document.Bool("isDeletion"));
    }
}
