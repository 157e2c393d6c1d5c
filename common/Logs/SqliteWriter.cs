using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>The one connection that writes to an SQLite file. Thread-safe.</summary>
internal sealed class SqliteWriter(SqliteFile file) : IDisposable
{
    private readonly Lock _gate = new();
    private SqliteFile.Opened? _open;

    /// <summary>Performs an action in a transaction.</summary>
    /// <exception cref="LogStoreException">The file cannot be written.</exception>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> action) => file.RunAsync(() =>
    {
        lock (_gate)
        {
            if (_open is { IsInPlace: false })
            {
                Close();
            }

            try
            {
                _open ??= file.Open();
                _open.Execute("begin immediate");
                var result = action(_open.Connection);
                _open.Execute("commit");
                return _open.IsInPlace ? result : throw new IOException("it was removed or replaced while it was being written");
            }
            catch (Exception)
            {
                // Closing rolls back. An explicit rollback fails, and hides the reason, when SQLite itself has rolled back.
                // The next try opens the file again.
                Close();
                throw;
            }
        }
    });

    public void Dispose()
    {
        lock (_gate)
        {
            Close();
        }
    }

    private void Close()
    {
        _open?.Dispose();
        _open = null;
    }
}
