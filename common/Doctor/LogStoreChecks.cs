using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Common.Doctor;

/// <summary>The log store: whether it can be reached, read and written, and has its indexes.</summary>
public static class LogStoreChecks
{
    private const string Area = "log store";

    public static Check Of(LogSettings settings) => settings.MongoUri.Length > 0
        ? Check.Of(Area, "MongoDB", "mongosh <mongodbUri> --eval 'db.runCommand({ping: 1})' (is it up, and open to this host?)", () => LookAtMongo(settings))
        : Check.Of(Area, settings.File, $"install -d -o dts -g dts {Path.GetDirectoryName(settings.File)}", () => [LookAtFile(settings.File)]);

    private static IEnumerable<Finding> LookAtMongo(LogSettings settings)
    {
        using var store = new MongoLogStore(settings.MongoUri, TimeSpan.FromSeconds(2), NullLogger.Instance);
        var (mayWrite, missing) = store.Examine();
        if (mayWrite.Length > 0)
        {
            yield return Finding.Error(Area, $"records cannot be written: {mayWrite}", "mongosh <mongodbUri of an administrator> --eval 'db.getSiblingDB(\"cron\").grantRolesToUser(\"dts\", [\"readWrite\"])'");
        }

        if (missing.Count > 0)
        {
            yield return Finding.Warning(Area, $"indexes are not there (yet): {string.Join(", ", missing)}", "systemctl restart dts-worker (it makes them; they need the role readWrite on database cron)");
        }

        yield return Finding.Ok(Area, $"{store.Where} answers{(missing.Count == 0 ? ", all indexes are there" : "")}");
    }

    private static Finding LookAtFile(string file)
    {
        var folder = Folder.NearestExisting(file);
        return Folder.WhyNotWritable(File.Exists(file) ? file : folder) is { } why
            ? Finding.Error(Area, $"{file} cannot be written ({why})", $"install -d -o dts -g dts {Path.GetDirectoryName(file)}; chown dts:dts {file}*")
            : Finding.Ok(Area, File.Exists(file) ? $"{file}, {new FileInfo(file).Length / 1e6:F1} MB" : $"{file} will be made");
    }
}
