using Dts.Common.Logs.Mongo;
using Dts.Tests.Support;
using MongoDB.Bson;
using MongoDB.Bson.IO;
using Xunit;

namespace Dts.Tests.Cluster.Upgrade;

/// <summary>Has a version write records to MongoDB, and keeps a document of each ending: part of <c>make golden</c>.</summary>
public sealed class DocumentRecorder(DocumentServer server) : IClassFixture<DocumentServer>
{
    private static readonly JsonWriterSettings WithTypes = new() { OutputMode = JsonOutputMode.CanonicalExtendedJson };

    [Fact(Explicit = true)]
    public async Task Record_the_documents_of_this_version()
    {
        await using var cluster = await NativeCluster.StartWithAsync(server.Uri, 1);
        await cluster.SaveAsync("slow", "sleep 2.5; echo slow", "* * * * * *");
        await cluster.SaveAsync("failing", "echo wrong; exit 3", "* * * * * *");
        await cluster.RecordsSoon("slow", records => records.Select(record => record.Status).Distinct().Count() >= 2);
        await cluster.RecordsSoon("failing", records => records.Count > 0);

        using var database = new MongoDatabase(server.Uri, TimeSpan.FromSeconds(5));
        var found = await database.FindAsync("log", [], new BsonDocument("startTime", 1), limit: 100);
        var kept = found.DistinctBy(document => document["status"]).Select(document => document.ToJson(WithTypes));
        var path = GoldenRecorder.Golden.PathOf("log.bson");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllLinesAsync(path, kept);
    }
}
