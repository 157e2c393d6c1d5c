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

    public static Check TimeZones(CronZone zone) => Check.Of("time zones", Zoneinfo, Distribution.Here.Install("tzdata"), () =>
        [Directory.Exists(Environment.GetEnvironmentVariable("TZDIR") ?? Zoneinfo)
            ? Finding.Ok("time zones", $"tzdata is there; jobs that name no zone run in {zone.Id}")
            : Finding.Error("time zones", "tzdata is not installed: only UTC is known", Distribution.Here.Install("tzdata"))]);

    public static Check Cgroup(string unit) => Check.Of("cgroup", "/sys/fs/cgroup", "", () =>
    {
        const string Root = "/sys/fs/cgroup";
        if (!File.Exists($"{Root}/cgroup.controllers"))
        {
            return
            [
                Finding.Warning(
                    "cgroup",
                    "this host has no cgroup v2: runs have no limits, and are killed process by process",
                    Distribution.Here.AddKernelArgument("systemd.unified_cgroup_hierarchy=1")),
            ];
        }

        var controllers = File.ReadAllText($"{Root}/cgroup.controllers").Trim();
        var missing = Controllers.Except(controllers.Split(' ')).ToList();
        var own = $"{Root}/system.slice/{unit}.service";
        return missing.Count > 0
            ? [Finding.Warning("cgroup", $"v2 without {string.Join(", ", missing)}", "cat /proc/cgroups (which of them are switched off at boot?)")]
            : [Finding.Ok("cgroup", $"v2: {controllers}{(Directory.Exists(own) ? $"; {unit} has its own" : "")}")];
    });

    /// <param name="jobUser">The user of jobs that name none.</param>
    public static Check JobUser(string jobUser) =>
        Check.Of("jobUser", jobUser, "getent passwd", () => [JudgeJobUser(jobUser, UserAccount.Find(jobUser))]);

    internal static Finding JudgeJobUser(string jobUser, UserAccount? account)
    {
        const string Make =
            "useradd -r -s /sbin/nologin dts-job; \"jobUser\": \"dts-job\" in /etc/dts/worker.json; systemctl restart dts-worker";
        return jobUser.Length == 0
            ? Finding.Warning(
                "jobUser",
                "jobs that name no user run as the worker's own user: "
                + "their commands can read its settings, credentials, spool and outputs, and can end it",
                Make)
            : account is null
            ? Finding.Error(
                "jobUser",
                $"jobUser is {jobUser}, which this host does not know: the worker does not start",
                $"useradd -r -s /sbin/nologin {jobUser}")
            : account.Uid == 0 ? Finding.Error("jobUser", $"jobUser is {jobUser}, which is root: the worker does not start", Make)
            : Finding.Ok("jobUser", $"jobs that name no user run as {jobUser}");
    }

    /// <param name="runAs">The users that jobs may run as here.</param>
    public static Check UserSwitching(IReadOnlyList<string> runAs) => Check.Of(
        "users", "setpriv", Distribution.Here.Install("util-linux"), () =>
    {
        var shown = Question.Ask("systemctl show dts-worker -p LoadState -p User -p AmbientCapabilities") is (0, var text) ? text : "";
        var own = File.ReadLines("/proc/self/status").First(line => line.StartsWith("CapEff:", StringComparison.Ordinal))["CapEff:".Length..].Trim();
        return [JudgeUsers(runAs, Setpriv.FirstOrDefault(File.Exists), ulong.Parse(own, NumberStyles.HexNumber, CultureInfo.InvariantCulture), shown)];
    });

    /// <param name="setpriv">Where it is; null = nowhere.</param>
    /// <param name="own">The effective capabilities of this process; they count where the unit is not installed.</param>
    /// <param name="shown">What <c>systemctl show</c> says of the unit; empty = nothing.</param>
    internal static Finding JudgeUsers(IReadOnlyList<string> runAs, string? setpriv, ulong own, string shown)
    {
        const ulong SetGidAndUid = (1 << 6) | (1 << 7); // capabilities(7): CAP_SETGID, CAP_SETUID
        if (runAs.Count == 0)
        {
            return Finding.Ok("users", "no job may run as another user here (runAs is empty)");
        }

        if (setpriv is null)
        {
            return Finding.Error(
                "users",
                $"setpriv is not installed: no job can run as {string.Join(", ", runAs)}",
                Distribution.Here.Install("util-linux"));
        }

        var facts = Facts(shown);
        var given = facts.GetValueOrDefault("AmbientCapabilities", "");
        var may = facts.GetValueOrDefault("LoadState") == "loaded"
            ? facts.GetValueOrDefault("User", "") is "" or "root" || (given.Contains("cap_setuid", StringComparison.Ordinal) && given.Contains("cap_setgid", StringComparison.Ordinal))
            : (own & SetGidAndUid) == SetGidAndUid;
        return may
            ? Finding.Ok("users", $"jobs may run as {string.Join(", ", runAs)}; {setpriv} is there, and the worker may switch")
            : Finding.Error(
                "users",
                $"runAs is {string.Join(", ", runAs)}, and the worker has not the rights to switch users: such jobs are refused here",
                "systemctl cat dts-worker (its unit of this version gives it CAP_SETUID and CAP_SETGID: install that, or take out what overrides AmbientCapabilities); systemctl restart dts-worker");
    }

    public static Check SpoolRoom(string dataFolder, long quotaBytes) => Check.Of("spool", dataFolder, $"install -d -o dts -g dts {dataFolder}", () =>
    {
        var spool = Path.Combine(dataFolder, "spool");
        var there = Folder.NearestExisting(spool);
        if (Folder.WhyNotWritable(there) is { } why || !Directory.Exists(there))
        {
            return [Finding.Error("spool", $"{there} cannot be written ({Folder.WhyNotWritable(there) ?? "it is no folder"})", $"install -d -o dts -g dts {dataFolder}; chown -R dts:dts {dataFolder}")];
        }

        var free = new DriveInfo(there).AvailableFreeSpace;
        var refused = Logs.RefusedRecords.Count(Path.Combine(dataFolder, "refused"));
        var (kept, waiting) = Directory.Exists(spool) ? (Directory.EnumerateFiles(spool, "*.spool").Sum(file => new FileInfo(file).Length), Spool.CountWaiting(spool)) : (0, 0);
        return
        [
            free < quotaBytes - kept
                ? Finding.Warning("spool", $"{free / 1e6:F0} MB are free at {there}, less than its quota of {quotaBytes / 1e6:F0} MB", $"df -h {there}; set spoolQuotaMb to less")
                : Finding.Ok("spool", $"{spool}: {waiting} records wait ({kept / 1e6:F1} MB), {free / 1e6:F0} MB free"),
            .. refused == 0
                ? Array.Empty<Finding>()
                :
                [
                    Finding.Warning(
                        "spool",
                        $"the log store refused {refused} records; {dataFolder}/refused has them, each with the store's reason",
                        $"ls {dataFolder}/refused; fix the cause, then move the files away"),
                ],
        ];
    });

    /// <param name="stopsWithin">How long the service may take to stop by its settings; the unit must give it more.</param>
    public static Check Unit(string unit, TimeSpan stopsWithin) => Check.Of("unit", unit, $"systemctl status {unit}", () =>
    {
        var shown = Question.Ask($"systemctl show {unit} -p LoadState -p ActiveState -p NeedDaemonReload -p TimeoutStopUSec -p LimitRTPRIO -p Delegate -p FragmentPath -p User") is (0, var text) ? text : "";
        return Judge(unit, stopsWithin, shown, Environment.UserName, Path.GetFullPath($"{Path.GetDirectoryName(Environment.ProcessPath)}/../{unit}.service"));
    });

    /// <param name="shown">What <c>systemctl show</c> says of it; empty = nothing.</param>
    /// <param name="asUser">As whom the doctor looks.</param>
    /// <param name="ours">Where the unit is that came with this executable; there may be none.</param>
    internal static IEnumerable<Finding> Judge(string unit, TimeSpan stopsWithin, string shown, string asUser, string ours)
    {
        var facts = Facts(shown);
        if (facts.GetValueOrDefault("LoadState") != "loaded")
        {
            yield return Finding.Ok("unit", facts.Count == 0 ? "systemd does not run here" : $"{unit} is not installed here");
            yield break;
        }

        var user = facts.GetValueOrDefault("User", "") is { Length: > 0 } named ? named : "root";
        if (user != asUser)
        {
            var role = unit["dts-".Length..];
            yield return Finding.Warning(
                "unit",
                $"the doctor looks as {asUser}, and {unit} runs as {user}: rights are judged as {asUser}'s",
                $"systemd-run -qP --wait --uid={user} -p EnvironmentFile=-/etc/dts/{role}.env /opt/dts/current/{unit} doctor --config /etc/dts/{role}.json");
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
            yield return Finding.Warning("unit", "Delegate is no: jobs with memoryMax, cpuMax or pidsMax fail here", DropIn(unit, "delegate", "Delegate=yes") + "; systemctl restart dts-worker");
        }

        if (ParseSpan(facts.GetValueOrDefault("TimeoutStopUSec", "infinity")) is { } timeout && timeout <= stopsWithin)
        {
            yield return Finding.Error(
                "unit",
                $"TimeoutStopSec of {timeout.TotalSeconds:0} s is not longer than the {stopsWithin.TotalSeconds:0} s that {unit} may take to stop",
                DropIn(unit, "stop", $"TimeoutStopSec={stopsWithin.TotalSeconds + 30:0}"));
        }

        if (unit == "dts-worker" && facts.GetValueOrDefault("LimitRTPRIO") == "0")
        {
            yield return Finding.Warning("unit", "LimitRTPRIO is 0: commands may start some milliseconds late on a busy host", DropIn(unit, "rt", "LimitRTPRIO=1") + "; systemctl restart dts-worker");
        }

        var state = facts.GetValueOrDefault("ActiveState", "unknown");
        yield return state == "failed"
            ? Finding.Error("unit", $"{unit} has failed", $"journalctl -u {unit} -n 20; systemctl restart {unit}")
            : Finding.Ok("unit", $"{unit} is {state}");
    }

    private static Dictionary<string, string> Facts(string shown) =>
        shown.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>The command that sets something in a unit so that an upgrade leaves it.</summary>
    private static string DropIn(string unit, string name, string setting) =>
        $"mkdir -p /etc/systemd/system/{unit}.service.d; printf '[Service]\\n{setting}\\n' >/etc/systemd/system/{unit}.service.d/{name}.conf; systemctl daemon-reload";

    /// <param name="apiPort">Where the master listens.</param>
    /// <param name="hasToken">Whether the master has an apiToken.</param>
    public static Check Nginx(int apiPort, bool hasToken) => Check.Of("nginx", NginxFolders[0], "nginx -t", () =>
    {
        var sites = NginxFolders.Where(Directory.Exists).SelectMany(Directory.EnumerateFiles).Select(file => (file, File.ReadAllText(file))).ToList();
        return JudgeNginx(sites, apiPort, hasToken, () => Question.Ask("nginx -t"));
    });

    internal static IEnumerable<Finding> JudgeNginx(
        IEnumerable<(string File, string Text)> sites, int apiPort, bool hasToken, Func<(int? ExitCode, string Said)> test)
    {
        string[] masters = ["dts_masters", $"127.0.0.1:{apiPort}", $"localhost:{apiPort}", $"[::1]:{apiPort}"];
        var ours = sites.Where(site => site.Text.Split('\n').Any(line => masters.Any(line.Split('#')[0].Contains))).ToList();
        if (ours.Count == 0)
        {
            yield return Finding.Ok("nginx", "it has no configuration for DTS here");
            yield break;
        }

        if (!hasToken)
        {
            yield return Finding.Error(
                "nginx",
                $"{string.Join(", ", ours.Select(site => site.File))} passes requests to a master without apiToken: "
                + "anyone who reaches nginx can run commands",
                "(umask 077; echo \"DTS_APITOKEN=$(cat /proc/sys/kernel/random/uuid)\" >>/etc/dts/master.env); "
                + "systemctl restart dts-master");
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
