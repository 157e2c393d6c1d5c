using System.Diagnostics;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>An empty native minimal API, which is published once and then kept under .artifacts.</summary>
internal static class EmptyApi
{
    private static readonly string Project = Tool.InRepository("tests/bench/empty-api");
    private static readonly string Artifacts = Tool.InRepository(".artifacts/empty-api");
    private static readonly string Executable = Path.Combine(Artifacts, "publish/EmptyApi/release_linux-x64/empty-api");

    /// <returns>The executable; null = it is not published.</returns>
    public static string? Find() => File.Exists(Executable) ? Executable : null;

    public static async Task<string> PublishAsync()
    {
        if (Find() is null)
        {
            // Without this repository's settings it is what the template makes.
            string[] publish =
            [
                "publish", Project, "-c", "Release", "-r", "linux-x64", "-v", "quiet",
                "-p:UseArtifactsOutput=true", $"-p:ArtifactsPath={Artifacts}",
                "-p:ImportDirectoryBuildProps=false", "-p:ImportDirectoryBuildTargets=false", "-p:ImportDirectoryPackagesProps=false",
            ];
            using var dotnet = Process.Start(new ProcessStartInfo("dotnet", publish) { RedirectStandardOutput = true })!;
            var output = await dotnet.StandardOutput.ReadToEndAsync();
            await dotnet.WaitForExitAsync();
            if (dotnet.ExitCode != 0 || Find() is null)
            {
                throw new InvalidOperationException($"the empty API cannot be published: {output}");
            }
        }

        return Executable;
    }

    /// <returns>The process, and the time until it listened.</returns>
    public static async Task<(ClusterProcess Process, TimeSpan Ready)> StartAsync(string executable, string logFile)
    {
        var process = ClusterProcess.Start(logFile, null, executable, "--urls", "http://127.0.0.1:0");
        return (process, await process.LogsAsync("Now listening on"));
    }
}
