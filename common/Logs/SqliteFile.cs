using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>An SQLite file in WAL mode, with a connection for each question that is being answered.</summary>
/// <remarks>
/// Thread-safe. The file is opened, and made if it is missing, when it is first needed, and again when another file or none has come to be
/// in its place: SQLite itself would write on into what nobody finds any more.
/// </remarks>
internal sealed class SqliteFile(string path, string schema, bool readOnly = false) : IDisposable
{
    private const int IdleMax = 4; // Readers that are kept open.
    private const int Interrupted = 9; // SQLITE_INTERRUPT, https://sqlite.org/rescode.html.

    private const UnixFileMode ReadByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly ConcurrentBag<Opened> _idle = [];
    private volatile bool _isDisposed;

    /// <exception cref="LogStoreException">The file cannot be read.</exception>
    public Task<T> ReadAsync<T>(Func<SqliteConnection, T> question, CancellationToken cancel) => RunAsync(() =>
    {
        var reader = TakeReader();
        try
        {
            using (cancel.Register(() => SQLitePCL.raw.sqlite3_interrupt(reader.Connection.Handle)))
            {
                cancel.ThrowIfCancellationRequested();
                return question(reader.Connection);
            }
        }
        catch (SqliteException failure) when (failure.SqliteErrorCode == Interrupted)
        {
            throw new OperationCanceledException(cancel);
        }
        finally
        {
            _idle.Add(reader);
            if (_idle.Count > IdleMax || _isDisposed)
            {
                DropReader();
            }
        }
    });

    public void Dispose()
    {
        _isDisposed = true;
        while (DropReader())
        {
        }
    }

    private Opened TakeReader()
    {
        while (_idle.TryTake(out var reader))
        {
            if (reader.IsInPlace)
            {
                return reader;
            }

            reader.Dispose();
        }

        return Open();
    }

    private bool DropReader()
    {
        var isThere = _idle.TryTake(out var reader);
        reader?.Dispose();
        return isThere;
    }

    public Opened Open()
    {
        if (!readOnly)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        else if (!File.Exists(path))
        {
            throw new FileNotFoundException("there is no such file; expected the file that the workers of this host write");
        }

        var mode = readOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate;
        var options = new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 10 };
        var connection = new SqliteConnection(options.ToString());
        try
        {
            connection.Open();
            var opened = new Opened(connection, path, Libc.FileIdentity(path));
            if (!readOnly)
            {
                opened.Execute("pragma journal_mode = wal; pragma synchronous = full;");
                opened.Execute(schema);
                CloseToOthers();
            }

            return opened;
        }
        catch (SqliteException)
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Earlier versions created the file with mode 0644. Any other mode is the operator's choice.</summary>
    private void CloseToOthers()
    {
        foreach (var file in new[] { path, path + "-wal", path + "-shm" })
        {
            if (!OperatingSystem.IsWindows() && File.Exists(file) && File.GetUnixFileMode(file) == ReadByAll)
            {
                _ = Libc.CloseFileToOthers(file); // Fails on another user's file, which is fine: we may still use the file.
            }
        }
    }

    /// <summary>On a thread of its own: it blocks, and the pool, for which starts wait, has few.</summary>
    public Task<T> RunAsync<T>(Func<T> call)
    {
        return Task.Factory.StartNew(Act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        T Act()
        {
            try
            {
                return call();
            }
            catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException)
            {
                throw new LogStoreException($"log file {path}: {failure.Message}", failure);
            }
        }
    }

    public sealed record Opened(SqliteConnection Connection, string Path, (long Device, long Inode) Identity) : IDisposable
    {
        /// <summary>The file that it has open is the one that is found under its path.</summary>
        public bool IsInPlace => Identity == Libc.FileIdentity(Path);

        public void Execute(string sql)
        {
            using var command = Connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }

        public void Dispose() => Connection.Dispose();
    }
}
