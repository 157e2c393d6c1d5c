using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Worker.Logs;

/// <summary>
/// Counts records in the collection <c>stats</c>, a document for each job and day. It writes once a second, because each batch has records
/// of many jobs.
/// </summary>
/// <remarks>
/// Thread-safe. Counts that cannot be written are kept and tried again each second. A worker that dies leaves at most its last second
/// uncounted. One whose connection breaks before the answer may count a second twice.
/// </remarks>
internal sealed class MongoCounts(MongoDatabase database, MongoBatches batches, ILogger log) : IDisposable
{
    private const int UpdateBytes = 2048; // About.

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private DayCounts _uncounted = new();
    private Task? _counting; // Null = there is nothing to count.

    /// <summary>Counts records within about a second, and subtracts those that they replace.</summary>
    public void Add(IReadOnlyCollection<RunRecord> records, IReadOnlyCollection<RunRecord> replaced)
    {
        if (records.Count == 0)
        {
            return;
        }

        lock (_gate)
        {
            foreach (var record in records)
            {
                _uncounted.Add(record);
            }

            foreach (var record in replaced)
            {
                _uncounted.Subtract(record);
            }

            _counting ??= CountAsync();
        }
    }

    /// <summary>Tries once more to write the rest.</summary>
    public void Dispose()
    {
        Task? counting;
        _end.Cancel();
        lock (_gate)
        {
            counting = _counting;
        }

        counting?.GetAwaiter().GetResult();
        _end.Dispose();
    }

    /// <summary>Counts at once, then once a second, until there is nothing more to count.</summary>
    private async Task CountAsync()
    {
        await Task.Yield();
        for (var failures = 0; ; await Task.Delay(Every, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing))
        {
            var isLast = _end.IsCancellationRequested;
            try
            {
                await database.RunAsync(CountOnceAsync);
                failures = 0;
            }
            catch (LogStoreException failure)
            {
                if (++failures == 1)
                {
                    log.CountsWait(failure.Message);
                }
            }

            lock (_gate)
            {
                if (isLast || _uncounted.IsEmpty)
                {
                    _counting = null;
                    return;
                }
            }
        }
    }

    private async Task<int> CountOnceAsync()
    {
        DayCounts uncounted;
        lock (_gate)
        {
            (uncounted, _uncounted) = (_uncounted, new DayCounts());
        }

        try
        {
            // In one order: some servers lock changed documents until the end of the command, and two writers must not deadlock.
            var days = uncounted.InOrder;
            var refused = await batches.UpdateAsync("stats", days.Select(day => UpdateOf(day.Job, day.Day, day.Counts)), _ => UpdateBytes);
            return refused.Count == 0 ? days.Count : throw database.Failed($"an update is refused: {refused[0].Reason}");
        }
        catch
        {
            lock (_gate)
            {
                _uncounted.Add(uncounted);
            }

            throw;
        }
    }

    private static UpdateOneModel<RawBsonDocument> UpdateOf(string job, DateOnly date, IReadOnlyDictionary<string, long> counts)
    {
        var day = DayKeys.TextOf(date);
        var sums = counts.Where(count => count.Key != DayKeys.Longest).Select(count => new BsonElement($"n.{count.Key}", count.Value));
        var change = new BsonDocument
        {
            { "$set", new BsonDocument { { "jobName", job }, { "day", day } } },
            { "$inc", new BsonDocument(sums) },
        };
        if (counts.TryGetValue(DayKeys.Longest, out var longest))
        {
            change.Add("$max", new BsonDocument($"n.{DayKeys.Longest}", longest));
        }

        return new UpdateOneModel<RawBsonDocument>(new BsonDocument("_id", $"{job}/{day}"), change) { IsUpsert = true };
    }
}
