using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class ExecutableTests
{
    [Theory]
    [InlineData("dts-master", 40)]
    [InlineData("dts-worker", 30)]
    public void An_executable_has_no_more_MB_than_planned_and_needs_nothing_newer_than_CentOS_Stream_9(string name, int megabytes)
    {
        var bytes = File.ReadAllBytes(Path.Combine(NativeProcess.Folder, name));
        var versions = Regex.Matches(Encoding.Latin1.GetString(bytes), @"GLIBC_(\d+)\.(\d+)\b")
            .Select(match => (int.Parse(match.Groups[1].Value), int.Parse(match.Groups[2].Value)));

        Assert.InRange(bytes.Length, 1, megabytes * 1_000_000);
        Assert.InRange(versions.Max(), (2, 2), (2, 34));
    }

    [Theory]
    [InlineData("dts-master", "--apiPort",       "eighty",    "setting apiPort: \"eighty\" (argument --apiPort); "
        + "expected a whole number from 1 to 65535")]
    [InlineData("dts-worker", "--slots",         "0",         "setting slots: \"0\" (argument --slots); "
        + "expected a whole number from 1 to 10000")]
    [InlineData("dts-worker", "--timeZone",      "Mars/Base", "setting timeZone: \"Mars/Base\" (argument --timeZone); "
        + "expected a time zone's IANA id")]
    [InlineData("dts-worker", "--etcdEndpoint",  "x:1",       "argument --etcdEndpoint: there is no such setting")]
    public async Task A_wrong_setting_is_one_line_and_exit_code_78(string executable, string key, string value, string expected)
    {
        using var folder = new ScratchFolder();
        await using var process = NativeProcess.Start(executable, folder.File("log"), key, value);

        var exitCode = await process.WaitAsync();

        Assert.Equal(78, exitCode);
        Assert.StartsWith(expected, Assert.Single(process.ReadLog().TrimEnd('\n').Split('\n')));
    }

    [Fact]
    public async Task A_port_in_use_is_one_line_and_exit_code_1_so_that_systemd_tries_again()
    {
        using var folder = new ScratchFolder();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        await using var process = NativeProcess.Start(
            "dts-master", folder.File("log"), "--apiPort", $"{port}", "--logFile", folder.File("log.db"));

        var exitCode = await process.WaitAsync();

        Assert.Equal(1, exitCode);
        Assert.StartsWith(
            $"settings listen, apiPort: cannot listen on 127.0.0.1:{port} (", process.ReadLog().TrimEnd('\n').Split('\n')[^1]);
    }

    [Fact]
    public async Task A_worker_whose_commands_cannot_be_started_ends_with_one_line_and_exit_code_1()
    {
        using var folder = new ScratchFolder();
        await using var process = NativeProcess.StartBehind(
            ["prlimit", "--nproc=0"],
            "dts-worker",
            folder.File("log"),
            "--dataFolder",
            folder.File("data"),
            "--logFile",
            folder.File("log.db"),
            "--jobUser",
            "nobody");

        var exitCode = await process.WaitAsync();

        Assert.Equal(1, exitCode);
        Assert.StartsWith("no command can be started as nobody: ", process.ReadLog().TrimEnd('\n').Split('\n')[^1]);
        Assert.DoesNotContain("   at ", process.ReadLog());
    }

    [Theory]
    [InlineData("dts-master")]
    [InlineData("dts-worker")]
    public async Task It_says_its_version_and_what_it_can_do(string executable)
    {
        var path = Path.Combine(NativeProcess.Folder, executable);

        Assert.Matches($"^{executable} [0-9].*\n$", await Tool.RunAsync(path, "--version"));
        Assert.Contains($"{executable} doctor", await Tool.RunAsync(path, "--help"));
    }
}
