using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class DeploymentFilesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    [Theory]
    [InlineData("dts-master")]
    [InlineData("dts-worker")]
    public async Task Systemd_has_nothing_to_say_about_a_unit(string unit) =>
        Assert.Equal("", await RunAsync("systemd-analyze", "verify", UnitOf(unit)));

    [Fact]
    public async Task The_master_is_closed_to_all_that_it_does_not_need()
    {
        var verdict = await RunAsync("systemd-analyze", "security", "--offline=true", UnitOf("dts-master"));

        var exposure = double.Parse(
            Regex.Match(verdict, @"exposure level for \S+: ([0-9.]+)").Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.InRange(exposure, 0.1, 1.5);
    }

    [Fact]
    public void Every_warning_and_error_stands_with_its_remedy_in_operations()
    {
        var said = ((string[])["common/Hosting/Log.cs", "worker/WorkerLog.cs", "master/MasterLog.cs"])
            .SelectMany(file => Regex.Matches(
                File.ReadAllText(Tool.InRepository(file)), @"LoggerMessage\((\d+), LogLevel\.(Warning|Error)"))
            .Select(match => match.Groups[1].Value).ToList();
        var explained = File.ReadAllLines(Tool.InRepository("docs/operations.md"))
            .SelectMany(line => Regex.Match(line, @"^\| (\d{3}(, \d{3})*) ").Groups[1].Value.Split(", "));

        Assert.Empty(said.Except(explained));
        Assert.Equal(said.Distinct(), said);
    }

    [Fact]
    public async Task Nginx_takes_its_configuration_as_it_stands()
    {
        using var tls = new TlsFiles();
        var site = File.ReadAllText(Tool.InRepository("nginx/dts.conf"))
            .Replace("/etc/nginx/dts.crt", tls.ServerFile)
            .Replace("/etc/nginx/dts.key", tls.ServerKeyFile);
        File.WriteAllText(_scratch.File("dts.conf"), site);
        File.WriteAllText(
            _scratch.File("nginx.conf"), $"pid {_scratch.File("pid")};\nevents {{ }}\nhttp {{\ninclude {_scratch.File("dts.conf")};\n}}\n");

        var said = await RunAsync("nginx", "-t", "-c", _scratch.File("nginx.conf"), "-e", _scratch.File("error.log"));

        Assert.Contains("syntax is ok", said);
        Assert.DoesNotContain("warn", said);
    }

    [Theory]
    [InlineData("dts-master", "master.json")]
    [InlineData("dts-worker", "worker.json")]
    public async Task The_sample_settings_are_taken(string executable, string file)
    {
        string[] ofThisTest = executable == "dts-master"
            ? ["--apiPort", $"{Tool.FindFreePort()}"]
            : ["--dataFolder", _scratch.File("data"), "--jobUser", "nobody"];
        await using var process = NativeProcess.Start(
            executable,
            _scratch.File("log"),
            [
                "--config",
                Tool.InRepository($"systemd/{file}"),
                "--etcdEndpoints",
                "127.0.0.1:1",
                "--logFile",
                _scratch.File("log.db"),
                .. ofThisTest,
            ]);

        await process.LogsSoon("etcdEndpoints=127.0.0.1:1");
        Assert.False(process.HasExited, process.ReadLog());
        Assert.DoesNotContain("there is no setting", Regex.Replace(process.ReadLog(), "setting (BIN|CACHE)", "")); // Those of make test.
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>The unit with the executable where it is here.</summary>
    private string UnitOf(string name)
    {
        var path = _scratch.File($"{name}.service");
        File.WriteAllText(
            path, File.ReadAllText(Tool.InRepository($"systemd/{name}.service")).Replace("/opt/dts/current/", NativeProcess.Folder + "/"));
        return path;
    }

    /// <summary>What a program prints, errors included; it must end well.</summary>
    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        Assert.True(process.ExitCode == 0, $"{program}: {await output}{await error}");
        return await output + await error;
    }
}
