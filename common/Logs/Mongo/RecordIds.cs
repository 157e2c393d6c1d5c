using MongoDB.Bson;

namespace Dts.Common.Logs.Mongo;

/// <summary>The ids of records as texts: DTS writes texts, the original system ObjectIds.</summary>
internal static class RecordIds
{
    private const int ObjectIdLength = 24;

    public static string Read(BsonValue id) => id.IsString ? id.AsString : $"{id}";

    /// <summary>The id as it stands in the log. An id of DTS has a '/', so it is never taken for an ObjectId.</summary>
    public static BsonValue Write(string id) =>
        id.Length == ObjectIdLength && ObjectId.TryParse(id, out var original) ? original : (BsonValue)id;
}
