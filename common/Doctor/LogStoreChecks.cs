using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;

namespace Dts.Common.Doctor;

/// <summary>Checks whether the log store can be reached, read and written.</summary>
public static class LogStoreChecks
{
    private const string Area = "log store";

    /// <param name="more">Further checks of a MongoDB.</param>
    internal static Check Of(LogSettings settings, Func<MongoDatabase, IEnumerable<Finding>>? more = null) => settings.MongoUri.Length > 0
        ? Check.Of(
            Area,
            "MongoDB",
            "mongosh <mongodbUri> --eval 'db.runCommand({ping: 1})' (is it up, and open to this host?)",
            () => LookAtMongo(settings, more))
        : Check.Of(
            Area, settings.File, $"install -d -o dts -g dts {Path.GetDirectoryName(settings.File)}", () => [LookAtFile(settings.File)]);

    private static IEnumerable<Finding> LookAtMongo(LogSettings settings, Func<MongoDatabase, IEnumerable<Finding>>? more)
    {
        using var database = new MongoDatabase(settings.MongoUri, TimeSpan.FromSeconds(2));
        if (database.ExamineAsync().GetAwaiter().GetResult() is { Length: > 0 } why)
        {
            yield return Finding.Error(
                Area,
                $"records cannot be written: {why}",
                "mongosh <mongodbUri of an administrator> --eval 'db.getSiblingDB(\"cron\").grantRolesToUser(\"dts\", [\"readWrite\"])'");
        }

        yield return Finding.Ok(Area, $"{database.Where} answers");
        foreach (var finding in more?.Invoke(database) ?? [])
        {
            yield return finding;
        }
    }

    private static Finding LookAtFile(string file)
    {
        if (Directory.Exists(file))
        {
            return Finding.Error(Area, $"{file} is a folder; a file is expected there", $"mv {file} {file}.folder");
        }

        var isThere = File.Exists(file);
        return PathAccess.WhyNotWritable(isThere ? file : PathAccess.NearestExisting(file)) is { } why
            ? Finding.Error(
                Area, $"{file} cannot be written ({why})", $"install -d -o dts -g dts {Path.GetDirectoryName(file)}; chown dts:dts {file}*")
            : !isThere ? Finding.Ok(Area, $"{file} will be created")
            : IsDatabase(file) ? Finding.Ok(Area, $"{file}, {new FileInfo(file).Length / 1e6:F1} MB")
            : Finding.Error(Area, $"{file} is not an SQLite database", $"mv {file} {file}.alien (the worker creates a new one)");
    }

    /// <summary>
    /// An empty file will do: SQLite makes it a database at the first write. See https://sqlite.org/fileformat.html#magic_header_string.
    /// </summary>
    private static bool IsDatabase(string file)
    {
        using var stream = File.OpenRead(file);
        var mark = "SQLite format 3\0"u8;
        Span<byte> head = stackalloc byte[mark.Length];
        return stream.ReadAtLeast(head, mark.Length, throwOnEndOfStream: false) is var read
            && (read == 0 || head[..read].SequenceEqual(mark));
    }
}
