using System.Globalization;
using Dts.Common.Cron;
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
        var kept = Directory.Exists(spool) ? Directory.EnumerateFiles(spool, "*.spool").Sum(file => new FileInfo(file).Length) : 0;
        return
        [
            free < quotaBytes - kept
                ? Finding.Warning("spool", $"{free / 1e6:F0} MB are free at {there}, less than its quota of {quotaBytes / 1e6:F0} MB", $"df -h {there}; set spoolQuotaMb to less")
                : Finding.Ok("spool", $"{spool}: {kept / 1e6:F1} MB kept, {free / 1e6:F0} MB free"),
        ];
    });

    /// <param name="stopsWithin">How long the service may take to stop by its settings; the unit must give it more.</param>
    public static Check Unit(string unit, TimeSpan stopsWithin) => Check.Of("unit", unit, $"systemctl status {unit}", () =>
        Question.Ask($"systemctl show {unit} -p LoadState -p ActiveState -p NeedDaemonReload -p TimeoutStopUSec -p LimitRTPRIO") is (0, var shown)
            ? Judge(unit, stopsWithin, shown)
            : Judge(unit, stopsWithin, ""));

    /// <param name="shown">What <c>systemctl show</c> says of it; empty = nothing.</param>
    internal static IEnumerable<Finding> Judge(string unit, TimeSpan stopsWithin, string shown)
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

        if (ParseSpan(facts.GetValueOrDefault("TimeoutStopUSec", "infinity")) is { } timeout && timeout <= stopsWithin)
        {
            yield return Finding.Error(
                "unit",
                $"TimeoutStopSec of {timeout.TotalSeconds:0} s is not longer than the {stopsWithin.TotalSeconds:0} s that {unit} may take to stop",
                $"mkdir -p /etc/systemd/system/{unit}.service.d; printf '[Service]\\nTimeoutStopSec={stopsWithin.TotalSeconds + 30:0}\\n' >/etc/systemd/system/{unit}.service.d/stop.conf; systemctl daemon-reload");
        }

        if (unit == "dts-worker" && facts.GetValueOrDefault("LimitRTPRIO") == "0")
        {
            yield return Finding.Warning("unit", "LimitRTPRIO is 0: commands may start some milliseconds late on a busy host", "mkdir -p /etc/systemd/system/dts-worker.service.d; printf '[Service]\\nLimitRTPRIO=1\\n' >/etc/systemd/system/dts-worker.service.d/rt.conf; systemctl daemon-reload; systemctl restart dts-worker");
        }

        var state = facts.GetValueOrDefault("ActiveState", "unknown");
        yield return state == "failed"
            ? Finding.Error("unit", $"{unit} has failed", $"journalctl -u {unit} -n 20; systemctl restart {unit}")
            : Finding.Ok("unit", $"{unit} is {state}");
    }

    public static Check Nginx() => Check.Of("nginx", NginxFolders[0], "nginx -t", () =>
    {
        var sites = NginxFolders.Where(Directory.Exists).SelectMany(Directory.EnumerateFiles)
            .Where(file => File.ReadAllText(file).Contains("dts_masters", StringComparison.Ordinal)).ToList();
        if (sites.Count == 0)
        {
            return [Finding.Ok("nginx", "it has no configuration for DTS here")];
        }

        var (exitCode, said) = Question.Ask("nginx -t");
        return
        [
            .. sites.Where(file => !File.ReadAllText(file).Contains("proxy_buffering off", StringComparison.Ordinal))
                .Select(file => Finding.Error("nginx", $"{file} buffers: live output comes late, or not at all", $"cp /opt/dts/current/nginx/dts.conf {file} (its location of output has proxy_buffering off); systemctl reload nginx")),
            exitCode == 0 ? Finding.Ok("nginx", $"{string.Join(", ", sites)}: nginx -t is content") : Finding.Error("nginx", $"nginx -t: {said.Trim()}", "nginx -t"),
        ];
    });

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
