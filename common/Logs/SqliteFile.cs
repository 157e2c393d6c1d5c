using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>An SQLite file in WAL mode: one connection that writes, and one for each question that is being answered.</summary>
/// <remarks>
/// Thread-safe. The file is opened, and made if it is missing, when it is first needed, and again when another file or none has come to be
/// in its place: SQLite itself would write on into what nobody finds any more.
/// </remarks>
internal sealed class SqliteFile(string path, string schema, bool readOnly = false) : IDisposable
{
    private const int IdleMax = 4; // Readers that are kept open.
    private const int Interrupted = 9; // SQLITE_INTERRUPT, https://sqlite.org/rescode.html.

    private const UnixFileMode ReadByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly Lock _gate = new();
    private readonly ConcurrentBag<Opened> _idle = [];
    private Opened? _writer;
    private volatile bool _isDisposed;

    /// <summary>Performs an action in a transaction.</summary>
    /// <exception cref="LogStoreException">The file cannot be written.</exception>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> action) => RunAsync(() =>
    {
        lock (_gate)
        {
            if (_writer is { IsInPlace: false })
            {
                _writer.Dispose();
                _writer = null;
            }

            try
            {
                _writer ??= Open();
                Execute(_writer.Connection, "begin immediate");
                var result = action(_writer.Connection);
                Execute(_writer.Connection, "commit");
                return _writer.IsInPlace ? result : throw new IOException("it was removed or replaced while it was being written");
            }
            catch (Exception)
            {
                // Closing rolls back. An explicit rollback fails, and hides the reason, when SQLite itself has rolled back.
                // The next try opens the file again.
                _writer?.Dispose();
                _writer = null;
                throw;
            }
        }
    });

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
        lock (_gate)
        {
            _writer?.Dispose();
            _writer = null;
        }

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

    private Opened Open()
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
            if (!readOnly)
            {
                Execute(connection, "pragma journal_mode = wal; pragma synchronous = full;");
                Execute(connection, schema);
                CloseToOthers();
            }

            return new Opened(connection, path, Libc.FileIdentity(path));
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

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>On a thread of its own: it blocks, and the pool, for which starts wait, has few.</summary>
    private Task<T> RunAsync<T>(Func<T> call)
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

    private sealed record Opened(SqliteConnection Connection, string Path, (long Device, long Inode) Identity) : IDisposable
    {
        /// <summary>The file that it has open is the one that is found under its path.</summary>
        public bool IsInPlace => Identity == Libc.FileIdentity(Path);

        public void Dispose() => Connection.Dispose();
    }
}
