using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>An SQLite file in WAL mode, with one connection per query in progress.</summary>
/// <remarks>
/// Thread-safe. The file is opened at its first use, and again after it was removed or replaced: SQLite itself would go on writing to the
/// removed file.
/// </remarks>
/// <param name="prepare">Prepares a connection that writes; null = the file is only read.</param>
/// <param name="mustExist">A connection that writes does not create the file.</param>
internal sealed class SqliteFile(string path, Action<SqliteFile.Opened>? prepare = null, bool mustExist = false) : IDisposable
{
    private const int IdleMax = 4; // Connections kept open for readers.
    private const int Interrupted = 9; // SQLITE_INTERRUPT, https://sqlite.org/rescode.html.

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
        if (prepare is not null && !mustExist)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        else if (!Path.Exists(path))
        {
            throw new FileNotFoundException("there is no such file; expected the file that the workers of this host write");
        }

        var mode = prepare is null ? SqliteOpenMode.ReadOnly : mustExist ? SqliteOpenMode.ReadWrite : SqliteOpenMode.ReadWriteCreate;
        var options = new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 10 };
        var connection = new SqliteConnection(options.ToString());
        try
        {
            connection.Open();
            var opened = new Opened(connection, path, Libc.FileIdentity(path));
            prepare?.Invoke(opened);
            return opened;
        }
        catch (SqliteException)
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Whether a failure means that no worker has created the file, or all its tables, yet.</summary>
    public static bool IsNotMade(LogStoreException failure) =>
        failure.InnerException is FileNotFoundException || failure.Message.Contains("no such table", StringComparison.Ordinal);

    /// <summary>Runs a call on a thread of its own, because it blocks, and starts need the few threads of the pool.</summary>
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
        /// <summary>Whether the open file is still the one at its path.</summary>
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
