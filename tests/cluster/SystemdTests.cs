using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What the executables tell systemd, and what they take over on its word.</summary>
public sealed class SystemdTests(EtcdServer etcd) : IClassFixture<EtcdServer>, IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly NotifySocket _systemd = new();

    public void Dispose()
    {
        _systemd.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task A_worker_tells_systemd_that_it_is_ready_how_it_stands_that_it_lives_and_that_it_stops()
    {
        await using var worker = Start("dts-worker", """{"slots":3}""");

        Assert.Equal("READY=1", await _systemd.HearSoon("READY"));
        Assert.Matches(
            @"^STATUS=\d+ jobs; 0 of 3 slots running; no start yet; session held; 0 records wait in the spool$",
            await _systemd.HearSoon("session held"));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon("WATCHDOG"));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon("WATCHDOG"));
        var stopped = worker.StopAsync();
        Assert.Equal("STOPPING=1", await _systemd.HearSoon("STOPPING"));
        Assert.Equal(0, await stopped);
    }

    [Fact]
    public async Task A_master_tells_systemd_that_it_is_ready_how_it_stands_that_it_answers_and_that_it_stops()
    {
        await using var master = Start("dts-master", "{}", "--apiPort", $"{Tool.FindFreePort()}");

        Assert.Equal("READY=1", await _systemd.HearSoon("READY"));
        Assert.Matches(@"^STATUS=\d+ jobs; etcd answers$", await _systemd.HearSoon("STATUS"));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon("WATCHDOG"));
        Assert.Equal("WATCHDOG=1", await _systemd.HearSoon("WATCHDOG"));
        var stopped = master.StopAsync();
        Assert.Equal("STOPPING=1", await _systemd.HearSoon("STOPPING"));
        Assert.Equal(0, await stopped);
    }

    [Fact]
    public async Task A_reload_takes_over_what_it_can_names_what_it_cannot_and_refuses_what_is_wrong()
    {
        await using var worker = Start("dts-worker", """{"slots":3,"labels":["zone=a"]}""");
        await _systemd.HearSoon("READY");

        await ReloadAsync("""{"slots":5,"labels":["zone=b"],"outputLimit":4096}""");
        await worker.LogsSoon("settings reloaded; applied: labels, slots");
        await worker.LogsSoon("settings changed that only a restart applies: outputLimit");
        Assert.Contains("0 of 5 slots", await _systemd.HearSoon("5 slots"));
        var registration = "";
        await Patience.Until(
            () => (registration = etcd.RunCtlAsync("get", "/cron/workers/reload").Result).Contains("\"zone\":\"b\""), () => registration);
        Assert.Contains("\"slots\":5", registration);

        await ReloadAsync("""{"slots":0}""");
        await worker.LogsSoon(
            $"setting slots: \"0\" ({_scratch.File("settings.json")}); expected a whole number from 1 to 10000; "
                + "the former settings stay in force");

        await ReloadAsync("""{"slots":5,"labels":["zone=b"],"logLevel":"warning"}""");
        await worker.StopAsync(); // Which writes all that was logged.
        Assert.DoesNotContain("applied: logLevel", worker.ReadLog()); // Which is information.

        async Task ReloadAsync(string settings)
        {
            File.WriteAllText(_scratch.File("settings.json"), settings);
            worker.Signal("HUP");
            Assert.Matches("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$", await _systemd.HearSoon("RELOADING"));
            Assert.Equal("READY=1", await _systemd.HearSoon("READY"));
        }
    }

    private NativeProcess Start(string executable, string settings, params string[] more)
    {
        File.WriteAllText(_scratch.File("settings.json"), settings);
        string[] ofWorkers = executable == "dts-worker" ? ["--workerId", "reload", "--dataFolder", _scratch.File("data")] : [];
        return NativeProcess.StartBehind(
            ["env", $"NOTIFY_SOCKET={_systemd.Path}", "WATCHDOG_USEC=1500000"],
            executable,
            _scratch.File("log"),
            [
                "--config",
                _scratch.File("settings.json"),
                "--etcdEndpoints",
                etcd.Endpoint.Authority,
                "--logFile",
                _scratch.File("log.db"),
                .. ofWorkers,
                .. more,
            ]);
    }
}
