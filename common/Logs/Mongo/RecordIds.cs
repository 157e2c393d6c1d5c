using MongoDB.Bson;

namespace Dts.Common.Logs.Mongo;

/// <summary>Converts ids of records: DTS writes texts, the original system ObjectIds.</summary>
internal static class RecordIds
{
    private const int ObjectIdLength = 24;

    public static string Read(BsonValue id) => id.IsString ? id.AsString : $"{id}";

    /// <summary>The id as the log has it. An id of DTS contains a '/', so it is never taken for an ObjectId.</summary>
    public static BsonValue Write(string id) =>
        id.Length == ObjectIdLength && ObjectId.TryParse(id, out var original) ? original : (BsonValue)id;
}
