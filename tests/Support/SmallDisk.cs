namespace Dts.Tests.Support;

/// <summary>A file system of its own that can be filled up, in memory. It takes root to mount it.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    private string Filling => System.IO.Path.Combine(Path, "filling");

    public static async Task<SmallDisk> MountAsync(string path, int kilobytes)
    {
        Directory.CreateDirectory(path);
        await Tool.RunAsync("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", path);
        return new SmallDisk(path);
    }

    /// <summary>Takes all the room there is.</summary>
    public void Fill()
    {
        using var file = new FileStream(Filling, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var block = new byte[512];
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    public void Free() => File.Delete(Filling);

    public async ValueTask DisposeAsync() => await Tool.RunAsync("umount", "-l", Path);
}
