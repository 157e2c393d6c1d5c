using System.Diagnostics;
using System.Runtime.CompilerServices;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>Runs programs of the machine, as an operator would.</summary>
internal static class Tool
{
    /// <summary>The full path of a file in the repository.</summary>
    public static string InRepository(string path, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../..", path));

    /// <summary>Copies a program that is executed at once.</summary>
    /// <remarks>
    /// Another process does it. A process that this one forks meanwhile would have the copy open for a moment, and the kernel executes no
    /// file that is open for writing (execve(2), ETXTBSY).
    /// </remarks>
    public static Task CopyProgramAsync(string from, string to) => RunAsync("cp", from, to);

    /// <summary>Runs a program, which must succeed, and returns its output.</summary>
    public static Task<string> RunAsync(string program, params string[] arguments) => RunAsync(Patience.Limit, program, arguments);

    public static async Task<string> RunAsync(TimeSpan limit, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["ETCDCTL_API"] = "3" },
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(limit);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {await output} {await error}");
        return await output;
    }
}
