using Dts.Common.Hosting;

namespace Dts.Worker;

/// <summary>The worker's folder on disk, locked by one process at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    // Links are skipped: another user may have placed them here.
    private static readonly EnumerationOptions OurOwn = new() { AttributesToSkip = FileAttributes.ReparsePoint };

    private readonly FileStream _lock;

    private DataFolder(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    public string Path { get; }

    /// <summary>The sockets of the holders, and the endings that they leave.</summary>
    public string Holders => System.IO.Path.Combine(Path, "holders");

    public string Output => System.IO.Path.Combine(Path, "output");

    /// <summary>The records that the log store refuses.</summary>
    public string Refused => System.IO.Path.Combine(Path, "refused");

    public string Spool => System.IO.Path.Combine(Path, "spool");

    /// <exception cref="SettingsException">The folder cannot be created, or another worker has it.</exception>
    public static DataFolder Open(string path)
    {
        return Guard(path, () =>
        {
            Directory.CreateDirectory(path);
            var held = new FileStream(System.IO.Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var folder = new DataFolder(path, held);
            folder.CloseToOthers();
            return folder;
        });
    }

    /// <summary>Opens something in the data folder. A failure says whether the operator must correct the setting.</summary>
    /// <exception cref="SettingsException">No folder can be at this path, or this process must not use it.</exception>
    /// <exception cref="StartException">The disk cannot be read or written now.</exception>
    public static T Guard<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw StartFailure.IsWrongSetting(failure)
                ? new SettingsException(
                    $"setting dataFolder: \"{path}\" cannot be used ({failure.Message}); "
                    + "expected a folder that only this worker uses and that it can write")
                : new StartException($"\"{path}\" cannot be used now ({failure.Message}); the next start tries again");
        }
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>
    /// Closes files that an earlier version left readable to other users. It changes only files that the worker creates, because the
    /// operator may have set the mode of the folder.
    /// </summary>
    private void CloseToOthers()
    {
        const UnixFileMode closedFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        File.SetUnixFileMode(_lock.Name, closedFile);
        foreach (var folder in new[] { Holders, Output, Spool }.Where(Directory.Exists))
        {
            File.SetUnixFileMode(folder, closedFile | UnixFileMode.UserExecute);
            foreach (var file in Directory.EnumerateFiles(folder, "*", OurOwn))
            {
                try
                {
                    File.SetUnixFileMode(file, closedFile);
                }
                catch (FileNotFoundException)
                {
                    // A former holder has just ended, and its socket with it.
                }
            }
        }
    }
}
