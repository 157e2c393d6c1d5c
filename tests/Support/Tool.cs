using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>Runs programs of the machine, as an operator would, and finds ports for them.</summary>
internal static class Tool
{
    private static readonly ConcurrentDictionary<int, bool> PortsGiven = [];

    /// <summary>The full path of a file in the repository.</summary>
    public static string InRepository(string path, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../..", path));

    /// <summary>Copies a program that is executed at once.</summary>
    /// <remarks>
    /// Another process does it. A process that this one forks meanwhile would have the copy open for a moment, and the kernel executes no
    /// file that is open for writing (execve(2), ETXTBSY).
    /// </remarks>
    public static Task CopyProgramAsync(string from, string to) => RunAsync("cp", from, to);

    /// <summary>A port on which nobody listens, for a server that is started later. This process gets each port once.</summary>
    public static int FindFreePort()
    {
        while (true)
        {
            // Below the kernel's ephemeral ports, so that no connection occupies the port before its server starts, or at a restart.
            var port = Random.Shared.Next(15_000, 32_000);
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Any, port));
            }
            catch (SocketException)
            {
                continue; // Taken.
            }

            if (PortsGiven.TryAdd(port, true))
            {
                return port;
            }
        }
    }

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
