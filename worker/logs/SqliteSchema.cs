using System.Runtime.Versioning;
using Dts.Common.Logs;

namespace Dts.Worker.Logs;

/// <summary>The tables and indexes of the embedded store, and its file's mode.</summary>
internal static class SqliteSchema
{
    private const UnixFileMode ReadByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private const string Text = """
        create table if not exists log (
            _id text primary key,
            jobName text not null,
            status text not null,
            startTime integer not null,
            planTime integer not null,
            missedSince integer not null,
            expireAt integer not null,
            record text not null
        );
        create index if not exists log_job on log (jobName, startTime desc, _id desc);
        create index if not exists log_start on log (startTime desc, _id desc);
        create index if not exists log_status on log (status, startTime desc, _id desc);
        create index if not exists log_plan on log (jobName, planTime);
        create index if not exists log_missed on log (jobName, missedSince, planTime) where missedSince > 0;
        create index if not exists log_expire on log (expireAt);
        create table if not exists output (
            run text, offset integer, expireAt integer not null, data blob not null, primary key (run, offset)
        ) without rowid;
        create index if not exists output_expire on output (expireAt);
        create table if not exists stats (
            jobName text, day text, key text, n integer not null, primary key (jobName, day, key)
        ) without rowid;
        create table if not exists jobs (
            _id text primary key,
            jobName text not null,
            revision integer not null,
            at integer not null,
            author text not null,
            origin text not null,
            former integer not null,
            job text,
            expireAt integer
        );
        create index if not exists jobs_version on jobs (jobName, at desc, revision desc);
        create index if not exists jobs_expire on jobs (expireAt);
        """;

    /// <summary>Makes the tables and indexes that are missing.</summary>
    public static void Prepare(SqliteFile.Opened file)
    {
        file.Execute("pragma journal_mode = wal; pragma synchronous = full;");
        file.Execute(Text);
        CloseToOthers(file.Path);
    }

    /// <summary>Earlier versions created the file with mode 0644. Any other mode is the operator's choice.</summary>
    private static void CloseToOthers(string path)
    {
        foreach (var file in new[] { path, path + "-wal", path + "-shm" })
        {
            if (!OperatingSystem.IsWindows() && File.Exists(file) && File.GetUnixFileMode(file) == ReadByAll)
            {
                TryClose(file);
            }
        }
    }

    [UnsupportedOSPlatform("windows")]
    private static void TryClose(string file)
    {
        try
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The file belongs to another user, and can still be used.
        }
    }
}
