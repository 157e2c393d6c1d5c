using System.Text.RegularExpressions;
using Dts.Common.Jobs;
using Dts.Common.Logs.Mongo;
using MongoDB.Bson;

namespace Dts.Master.Logs;

/// <summary>A query to the log as a filter of MongoDB.</summary>
internal static class MongoConditions
{
    public static BsonDocument Of(LogQuery query)
    {
        var filter = new BsonDocument();
        filter.Add("jobName", query.Job, query.Job is not null);
        filter.Add("status", query.Status?.Word(), query.Status is not null);
        if (query.From is not null || query.Until is not null || query.After is not null)
        {
            var (until, after) = (query.Until?.ToUnixTimeMilliseconds() - 1 ?? long.MaxValue, query.After?.StartTime ?? long.MaxValue);
            filter.Add(
                "startTime",
                new BsonDocument { { "$gte", query.From?.ToUnixTimeMilliseconds() ?? 0 }, { "$lte", Math.Min(until, after) } });
        }

        if (query.After is { } cursor)
        {
            var id = RecordIds.Write(cursor.Id);
            var places = new BsonArray
            {
                new BsonDocument("startTime", new BsonDocument("$lt", cursor.StartTime)),
                new BsonDocument { { "startTime", cursor.StartTime }, { "_id", new BsonDocument("$lt", id) } },
            };
            if (id.IsObjectId)
            {
                // Texts are below it, but a comparison finds only ids of its own type.
                places.Add(new BsonDocument { { "startTime", cursor.StartTime }, { "_id", new BsonDocument("$gte", "") } });
            }

            filter.Add("$or", places);
        }

        filter.Add("$and", new BsonArray(query.Terms.Select(ConditionOf)), query.Terms.Count > 0);
        return filter;
    }

    private static BsonDocument ConditionOf(LogTerm term)
    {
        var values = new BsonDocument("$in", new BsonArray(term.Values));
        var condition = term.Field switch
        {
            LogField.Job => new BsonDocument("jobName", values),
            LogField.Worker => new BsonDocument("worker", values),
            LogField.Trigger => new BsonDocument("trigger", values),
            LogField.Ending => new BsonDocument("$or", new BsonArray(new[] { new BsonDocument("status", values) }.Concat(
                term.Values.Select(OriginalsWith).OfType<BsonDocument>()))),
            LogField.Text => new BsonDocument("$or", new BsonArray(term.Values.SelectMany(Having))),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        return term.IsNegated ? new BsonDocument("$nor", new BsonArray { condition }) : condition;
    }

    private static IEnumerable<BsonDocument> Having(string text)
    {
        var matches = new BsonDocument { { "$regex", Regex.Escape(text) }, { "$options", "i" } };
        return [new BsonDocument("jobName", matches), new BsonDocument("command", matches), new BsonDocument("err", matches)];
    }

    /// <summary>The original's records have no status; one with an error has failed. Null = none of them ended so.</summary>
    private static BsonDocument? OriginalsWith(string ending)
    {
        var noError = new BsonArray { "", BsonNull.Value };
        return RunStatusWords.Find(ending) switch
        {
            RunStatus.Succeeded => new BsonDocument { { "status", BsonNull.Value }, { "err", new BsonDocument("$in", noError) } },
            RunStatus.Failed => new BsonDocument { { "status", BsonNull.Value }, { "err", new BsonDocument("$nin", noError) } },
            _ => null,
        };
    }
}
