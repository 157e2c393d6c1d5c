using System.Globalization;
using Dts.Common.Cron;
using Dts.Common.Logs;
using Dts.Common.Shell;

namespace Dts.Common.Doctor;

/// <summary>What the host gives: time zones, cgroups, setpriv, room for the spool, units, nginx.</summary>
public static class HostChecks
{
    private const string Zoneinfo = "/usr/share/zoneinfo";

    private static readonly string[] Controllers = ["memory", "pids", "cpu"];
    private static readonly string[] Setpriv = ["/usr/bin/setpriv", "/bin/setpriv"];
    private static readonly string[] NginxFolders = ["/etc/nginx/conf.d", "/etc/nginx/sites-enabled"];

    public static Check TimeZones(CronZone zone) => Check.Of("time zones", Zoneinfo, "apt-get install tzdata, or dnf install tzdata", () =>
        [Directory.Exists(Environment.GetEnvironmentVariable("TZDIR") ?? Zoneinfo)
            ? Finding.Ok("time zones", $"tzdata is there; jobs that name no zone run in {zone.Id}")
            : Finding.Error("time zones", "tzdata is not installed: only UTC is known", "apt-get install tzdata, or dnf install tzdata")]);

    public static Check Cgroup(string unit) => Check.Of("cgroup", "/sys/fs/cgroup", "", () =>
    {
        const string Root = "/sys/fs/cgroup";
        if (!File.Exists($"{Root}/cgroup.controllers"))
        {
            return [Finding.Warning("cgroup", "no cgroup v2 on this host: runs have no limits, and are killed process by process", "grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1; reboot")];
        }

        var controllers = File.ReadAllText($"{Root}/cgroup.controllers").Trim();
        var missing = Controllers.Except(controllers.Split(' ')).ToList();
        var own = $"{Root}/system.slice/{unit}.service";
        return missing.Count > 0
            ? [Finding.Warning("cgroup", $"v2 without {string.Join(", ", missing)}", "cat /proc/cgroups (which of them are switched off at boot?)")]
            : [Finding.Ok("cgroup", $"v2: {controllers}{(Directory.Exists(own) ? $"; {unit} has its own" : "")}")];
    });

    public static Check UserSwitching() => Check.Of("users", "setpriv", "apt-get install util-linux, or dnf install util-linux", () =>
    {
        const ulong SetGidAndUid = (1 << 6) | (1 << 7); // capabilities(7): CAP_SETGID, CAP_SETUID
        var setpriv = Setpriv.FirstOrDefault(File.Exists);
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapEff:", StringComparison.Ordinal));
        var may = ulong.Parse(line["CapEff:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return setpriv is null
            ? [Finding.Error("users", "setpriv is not installed: no job can run as another user", "apt-get install util-linux, or dnf install util-linux")]
            : (may & SetGidAndUid) != SetGidAndUid
                ? [Finding.Warning("users", "this user may not switch to others: a job with a user is refused here", "sudo dts-worker doctor, or User=root in a drop-in of dts-worker.service")]
                : [Finding.Ok("users", $"{setpriv} is there, and this user may switch to others")];
    });

    public static Check SpoolRoom(string dataFolder, long quotaBytes) => Check.Of("spool", dataFolder, $"install -d -o dts -g dts {dataFolder}", () =>
    {
        var spool = Path.Combine(dataFolder, "spool");
        var there = Folder.NearestExisting(spool);
        if (Folder.WhyNotWritable(there) is { } why || !Directory.Exists(there))
        {
            return [Finding.Error("spool", $"{there} cannot be written ({Folder.WhyNotWritable(there) ?? "it is no folder"})", $"install -d -o dts -g dts {dataFolder}; chown -R dts:dts {dataFolder}")];
        }

        var free = new DriveInfo(there).AvailableFreeSpace;
        var (kept, waiting) = Directory.Exists(spool) ? (Directory.EnumerateFiles(spool, "*.spool").Sum(file => new FileInfo(file).Length), Spool.CountWaiting(spool)) : (0, 0);
        return
        [
            free < quotaBytes - kept
                ? Finding.Warning("spool", $"{free / 1e6:F0} MB are free at {there}, less than its quota of {quotaBytes / 1e6:F0} MB", $"df -h {there}; set spoolQuotaMb to less")
                : Finding.Ok("spool", $"{spool}: {waiting} records wait ({kept / 1e6:F1} MB), {free / 1e6:F0} MB free"),
        ];
    });

    /// <param name="stopsWithin">How long the service may take to stop by its settings; the unit must give it more.</param>
    public static Check Unit(string unit, TimeSpan stopsWithin) => Check.Of("unit", unit, $"systemctl status {unit}", () =>
    {
        var shown = Question.Ask($"systemctl show {unit} -p LoadState -p ActiveState -p NeedDaemonReload -p TimeoutStopUSec -p LimitRTPRIO -p Delegate -p FragmentPath") is (0, var text) ? text : "";
        return Judge(unit, stopsWithin, shown, Path.GetFullPath($"{Path.GetDirectoryName(Environment.ProcessPath)}/../{unit}.service"));
    });

    /// <param name="shown">What <c>systemctl show</c> says of it; empty = nothing.</param>
    /// <param name="ours">Where the unit is that came with this executable; there may be none.</param>
    internal static IEnumerable<Finding> Judge(string unit, TimeSpan stopsWithin, string shown, string ours)
    {
        var facts = shown.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
        if (facts.GetValueOrDefault("LoadState") != "loaded")
        {
            yield return Finding.Ok("unit", facts.Count == 0 ? "systemd does not run here" : $"{unit} is not installed here");
            yield break;
        }

        if (facts.GetValueOrDefault("NeedDaemonReload") == "yes")
        {
            yield return Finding.Warning("unit", $"{unit}.service has changed since systemd read it", $"systemctl daemon-reload; systemctl restart {unit}");
        }

        var installed = facts.GetValueOrDefault("FragmentPath", "");
        if (File.Exists(ours) && File.Exists(installed) && File.ReadAllText(ours) != File.ReadAllText(installed))
        {
            yield return Finding.Warning("unit", $"{installed} is not the unit that this version came with", $"install -m 644 {ours} {installed}; systemctl daemon-reload; systemctl restart {unit} (what you want otherwise belongs into systemctl edit {unit})");
        }

        if (unit == "dts-worker" && facts.GetValueOrDefault("Delegate") == "no")
        {
            yield return Finding.Warning("unit", "Delegate is no: jobs with memoryMax, cpuMax or pidsMax fail here", DropIn("delegate", "Delegate=yes") + "; systemctl restart dts-worker");
        }

        if (ParseSpan(facts.GetValueOrDefault("TimeoutStopUSec", "infinity")) is { } timeout && timeout <= stopsWithin)
        {
            yield return Finding.Error(
                "unit",
                $"TimeoutStopSec of {timeout.TotalSeconds:0} s is not longer than the {stopsWithin.TotalSeconds:0} s that {unit} may take to stop",
                DropIn("stop", $"TimeoutStopSec={stopsWithin.TotalSeconds + 30:0}"));
        }

        if (unit == "dts-worker" && facts.GetValueOrDefault("LimitRTPRIO") == "0")
        {
            yield return Finding.Warning("unit", "LimitRTPRIO is 0: commands may start some milliseconds late on a busy host", DropIn("rt", "LimitRTPRIO=1") + "; systemctl restart dts-worker");
        }

        var state = facts.GetValueOrDefault("ActiveState", "unknown");
        yield return state == "failed"
            ? Finding.Error("unit", $"{unit} has failed", $"journalctl -u {unit} -n 20; systemctl restart {unit}")
            : Finding.Ok("unit", $"{unit} is {state}");

        string DropIn(string name, string setting) =>
            $"mkdir -p /etc/systemd/system/{unit}.service.d; printf '[Service]\\n{setting}\\n' >/etc/systemd/system/{unit}.service.d/{name}.conf; systemctl daemon-reload";
    }

    public static Check Nginx() => Check.Of("nginx", NginxFolders[0], "nginx -t", () =>
    {
        var sites = NginxFolders.Where(Directory.Exists).SelectMany(Directory.EnumerateFiles).Select(file => (file, File.ReadAllText(file))).ToList();
        return JudgeNginx(sites, () => Question.Ask("nginx -t"));
    });

    internal static IEnumerable<Finding> JudgeNginx(IEnumerable<(string File, string Text)> sites, Func<(int? ExitCode, string Said)> test)
    {
        var ours = sites.Where(site => site.Text.Contains("dts_masters", StringComparison.Ordinal)).ToList();
        if (ours.Count == 0)
        {
            yield return Finding.Ok("nginx", "it has no configuration for DTS here");
            yield break;
        }

        foreach (var (file, _) in ours.Where(site => !site.Text.Contains("proxy_buffering off", StringComparison.Ordinal)))
        {
            yield return Finding.Error("nginx", $"{file} buffers: live output comes late, or not at all", $"put \"proxy_buffering off;\" and \"proxy_read_timeout 1d;\" into its location of output, as nginx/dts.conf has it; systemctl reload nginx");
        }

        var (exitCode, said) = test();
        yield return exitCode == 0 ? Finding.Ok("nginx", $"{string.Join(", ", ours.Select(site => site.File))}: nginx -t is content") : Finding.Error("nginx", $"nginx -t: {said.Trim()}", "nginx -t");
    }

    /// <summary>As systemctl prints it: "1min 30s". Null = for ever.</summary>
    internal static TimeSpan? ParseSpan(string text)
    {
        var sum = TimeSpan.Zero;
        foreach (var part in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var digits = part.TakeWhile(letter => char.IsAsciiDigit(letter) || letter == '.').Count();
            if (digits == 0 || !double.TryParse(part[..digits], CultureInfo.InvariantCulture, out var number))
            {
                return null;
            }

            sum += part[digits..] switch
            {
                "us" => TimeSpan.FromMicroseconds(number),
                "ms" => TimeSpan.FromMilliseconds(number),
                "min" => TimeSpan.FromMinutes(number),
                "h" => TimeSpan.FromHours(number),
                "d" => TimeSpan.FromDays(number),
                _ => TimeSpan.FromSeconds(number),
            };
        }

        return sum;
    }
}
