using System.Diagnostics;
using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>systemd timers with AccuracySec=1us, in a Debian of .ci/hosts that is booted for them.</summary>
internal sealed class TimerStarter : IStarter
{
    // As tests/cluster/SystemdHosts.cs boots its hosts, without a network.
    private const string Boot = """
        set -e
        umask 022
        mkdir "$2" && echo $$ >"$2/cgroup.procs"
        mkdir -p /run/systemd/nspawn "$3/host" && mount -t tmpfs tmpfs /run/systemd/nspawn && mount -t tmpfs tmpfs "$3/host"
        cd "$3/host" && mkdir upper work root && mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" root
        ln -s "$3"/shared/bench@.timer "$3"/shared/bench@.service root/etc/systemd/system
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        exec systemd-nspawn -q -D root -b --register=no --keep-unit --console=pipe --private-network --bind="$3/shared"
        """;

    private static readonly TimeSpan PatienceInside = TimeSpan.FromMinutes(2); // Hundreds of timers keep its process 1 busy.

    private readonly Process _host;
    private readonly string _cgroup;
    private readonly string _shared;
    private readonly ClockFile _clock;

    private TimerStarter(Process host, string cgroup, string shared) =>
        (_host, _cgroup, _shared, _clock) = (host, cgroup, shared, ClockIn(shared));

    public string Name => "systemd timer";

    public int AheadMs(int atOnce) => 1000 + (20 * atOnce); // Its process 1 loads and starts each timer.

    /// <returns>Null = no host can be booted here; standard error says why.</returns>
    public static async Task<TimerStarter?> TryOpenAsync(string folder)
    {
        var tree = (await Tool.RunAsync("bash", "-c", $"{Tool.InRepository(".ci/hosts")} || true")).Trim();
        if (tree.Length == 0)
        {
            await Console.Error.WriteLineAsync("no host can be booted here, so systemd timers are left out; .ci/hosts says why");
            return null;
        }

        var groups = (await Tool.RunAsync("findmnt", "-nt", "cgroup2", "-o", "TARGET")).Split('\n')[0];
        var shared = Directory.CreateDirectory(Path.Combine(folder, "shared")).FullName;
        File.WriteAllText(Path.Combine(shared, "bench@.service"), $"""
            [Unit]
            StartLimitIntervalSec=0
            [Service]
            Type=oneshot
            ExecStart=/bin/bash -c '{ClockIn(shared).Command.Replace("$", "$$", StringComparison.Ordinal)}'
            """);
        var cgroup = Path.Combine(groups, Path.GetFileName(folder));
        string[] boot = ["-m", "bash", "-c", $"exec >{folder}/host.log 2>&1 </dev/null; {Boot}", "boot", tree, cgroup, folder];
        var starter = new TimerStarter(Process.Start("unshare", boot), cgroup, shared);
        try
        {
            await Patience.Until(
                () => starter.First is not null && starter.Inside("systemctl is-system-running | grep -E 'running|degraded'").Result == 0,
                () => File.ReadAllText(Path.Combine(folder, "host.log")));
            return starter;
        }
        catch
        {
            await starter.DisposeAsync();
            throw;
        }
    }

    public async Task<Lags> StartAsync(int atOnce, long from, int seconds)
    {
        // The plan times one by one: timers that repeat would have to be stopped by a process 1 that they keep busy.
        var planTimes = Enumerable.Range(0, seconds).Select(second => string.Create(
            CultureInfo.InvariantCulture,
            $"OnCalendar={DateTimeOffset.FromUnixTimeMilliseconds(from).AddSeconds(second):yyyy-MM-dd HH:mm:ss} UTC"));
        await File.WriteAllLinesAsync(Path.Combine(_shared, "bench@.timer"), ["[Timer]", "AccuracySec=1us", .. planTimes]);
        await Inside($"systemctl daemon-reload && systemctl start bench@{{1..{atOnce}}}.timer");
        var lags = await _clock.ReadSoonAsync(from, from + (seconds * 1000), atOnce * seconds);
        await Patience.Until(
            () => Inside("systemctl list-jobs | grep 'No jobs'").Result == 0, () => "systemd still starts services", PatienceInside);
        await Inside("systemctl stop 'bench@*.timer'");
        return lags;
    }

    public async ValueTask DisposeAsync()
    {
        if (First is { } first)
        {
            Processes.Kill(first); // With its first process all of the host ends, and then nspawn.
        }
        else if (!_host.HasExited)
        {
            _host.Kill();
        }

        await _host.WaitForExitAsync().WaitAsync(Patience.Limit);
        _host.Dispose();
        await Tool.RunAsync("find", _cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";");
    }

    /// <summary>The host's own process 1; null = it is not there yet.</summary>
    private int? First
    {
        get
        {
            var children = $"/proc/{_host.Id}/task/{_host.Id}/children";
            var pids = File.Exists(children) ? File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];
            return pids is [var pid, ..] ? int.Parse(pid, CultureInfo.InvariantCulture) : null;
        }
    }

    private async Task<int> Inside(string command)
    {
        string[] enter =
            ["-c", "exec >/dev/null 2>&1 </dev/null nsenter -t \"$0\" -m -u -i -n -p bash -c \"$1\"", $"{First}", command];
        using var nsenter = Process.Start("/bin/sh", enter);
        await nsenter.WaitForExitAsync().WaitAsync(PatienceInside);
        return nsenter.ExitCode;
    }

    private static ClockFile ClockIn(string shared) => new(Path.Combine(shared, "timers"));
}
