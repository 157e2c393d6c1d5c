namespace Dts.Tests.Support;

/// <summary>A folder of a test's own, removed at its end.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("dts-test-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Waits until a command has created this file, as a sign that it has come so far.</summary>
    public Task FileSoon(string name) => Patience.Until(() => System.IO.File.Exists(File(name)), () => $"no {name}");

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
