using Dts.Common.Hosting;

namespace Dts.Worker;

/// <summary>The worker's folder on disk, held by one process at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly FileStream _lock;

    private DataFolder(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    public string Path { get; }

    /// <summary>Where the processes that hold commands have their sockets.</summary>
    public string Holders => System.IO.Path.Combine(Path, "holders");

    public string Output => System.IO.Path.Combine(Path, "output");

    public string Spool => System.IO.Path.Combine(Path, "spool");

    /// <exception cref="SettingsException">It cannot be made, or another worker has it.</exception>
    public static DataFolder Open(string path)
    {
        return DataFault.Guard(path, () =>
        {
            Directory.CreateDirectory(path);
            return new DataFolder(path, new FileStream(System.IO.Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        });
    }

    public void Dispose() => _lock.Dispose();
}
