using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>A release of the executables under test, as <c>make dist</c> packs it, and the same unpacked.</summary>
public sealed class Release : IAsyncLifetime
{
    private readonly ScratchFolder _folder = new();

    public static string Version { get; } =
        Regex.Match(File.ReadAllText(Tool.InRepository("Directory.Build.props")), "<Version>(.+)</Version>").Groups[1].Value;

    public static string Name { get; } = $"dts-{Version}-linux-x64";

    public string Folder => _folder.File("dist");

    public string Tarball => Path.Combine(Folder, $"{Name}.tar.gz");

    public string Unpacked => _folder.File(Name);

    public async ValueTask InitializeAsync()
    {
        await PackAsync(Folder);
        await Tool.RunAsync("tar", "-xzf", Tarball, "-C", _folder.Path);
    }

    public static Task PackAsync(string folder) =>
        Tool.RunAsync(Patience.Limit * 4, Tool.InRepository(".ci/dist"), NativeProcess.Folder, "linux-x64", folder); // It packs 70 MB.

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return default;
    }
}
