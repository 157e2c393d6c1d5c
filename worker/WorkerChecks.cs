using Dts.Common.Doctor;
using Dts.Common.Logs;
using Dts.Worker.Commands;
using Dts.Worker.Logs;
using Dts.Worker.Records;

namespace Dts.Worker;

/// <summary>The doctor's checks of a worker's host: cgroups, the users of commands, the log store, disk space for the spool.</summary>
internal static class WorkerChecks
{
    private static readonly string[] Controllers = ["memory", "pids", "cpu"];
    private static readonly string[] Setpriv = ["/usr/bin/setpriv", "/bin/setpriv"];

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
                    "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line; reboot"),
            ];
        }

        var controllers = File.ReadAllText($"{Root}/cgroup.controllers").Trim();
        var missing = Controllers.Except(controllers.Split(' ')).ToList();
        var own = $"{Root}/system.slice/{unit}.service";
        return missing.Count > 0
            ? [Finding.Warning(
                "cgroup", $"v2 without {string.Join(", ", missing)}", "cat /proc/cgroups (is one switched off at boot?)")]
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
        "users", "setpriv", "install the package util-linux", () =>
    {
        var shown = HostCommand.Run("systemctl show dts-worker -p LoadState -p User -p AmbientCapabilities") is (0, var text) ? text : "";
        return [JudgeUsers(runAs, Setpriv.FirstOrDefault(File.Exists), ProcessTable.OwnCapabilities(), shown)];
    });

    /// <param name="setpriv">The path of setpriv; null = it is not installed.</param>
    /// <param name="own">The effective capabilities of this process, which count if the unit is not installed.</param>
    /// <param name="shown">The output of <c>systemctl show</c>; empty = it failed.</param>
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
                "install the package util-linux");
        }

        var facts = HostChecks.Properties(shown);
        var given = facts.GetValueOrDefault("AmbientCapabilities", "");
        var mayAsUnit = facts.GetValueOrDefault("User", "") is "" or "root"
            || (given.Contains("cap_setuid", StringComparison.Ordinal) && given.Contains("cap_setgid", StringComparison.Ordinal));
        var may = facts.GetValueOrDefault("LoadState") == "loaded" ? mayAsUnit : (own & SetGidAndUid) == SetGidAndUid;
        return may
            ? Finding.Ok("users", $"jobs may run as {string.Join(", ", runAs)}; {setpriv} is there, and the worker may switch")
            : Finding.Error(
                "users",
                $"runAs is {string.Join(", ", runAs)}, but the worker has no right to switch users: such jobs are refused here",
                "systemctl cat dts-worker (its unit of this version gives it CAP_SETUID and CAP_SETGID: install that, "
                    + "or remove the override of AmbientCapabilities); systemctl restart dts-worker");
    }

    /// <summary>The log store, and the indexes that the worker makes there.</summary>
    public static Check Log(LogSettings settings) => LogStoreChecks.Of(settings, database =>
        [MongoIndexes.FindMissingAsync(database).GetAwaiter().GetResult() is { Count: > 0 } missing
            ? Finding.Warning(
                "log store",
                $"indexes do not exist (yet): {string.Join(", ", missing)}",
                "systemctl restart dts-worker (it makes them with its first record; they need the role readWrite on database cron)")
            : Finding.Ok("log store", "all indexes are there")]);

    public static Check SpoolRoom(string dataFolder, long quotaBytes) => Check.Of(
        "spool", dataFolder, $"install -d -o dts -g dts {dataFolder}", () =>
    {
        var spool = Path.Combine(dataFolder, "spool");
        var there = PathAccess.NearestExisting(spool);
        if (PathAccess.WhyNotWritable(there) is { } why || !Directory.Exists(there))
        {
            return
            [
                Finding.Error(
                    "spool",
                    $"{there} cannot be written ({PathAccess.WhyNotWritable(there) ?? "it is not a folder"})",
                    $"install -d -o dts -g dts {dataFolder}; chown -R dts:dts {dataFolder}"),
            ];
        }

        var free = new DriveInfo(there).AvailableFreeSpace;
        var refused = RefusedRecords.Count(Path.Combine(dataFolder, "refused"));
        var (kept, waiting) = Directory.Exists(spool)
            ? (Directory.EnumerateFiles(spool, "*.spool").Sum(file => new FileInfo(file).Length), SpoolFolder.CountWaiting(spool))
            : (0, 0);
        return
        [
            free < quotaBytes - kept
                ? Finding.Warning(
                    "spool",
                    $"{free / 1e6:F0} MB are free at {there}, less than its quota of {quotaBytes / 1e6:F0} MB",
                    $"df -h {there}; set spoolQuotaMb to less")
                : Finding.Ok("spool", $"{spool}: {waiting} records wait ({kept / 1e6:F1} MB), {free / 1e6:F0} MB free"),
            .. refused == 0
                ? Array.Empty<Finding>()
                : [Finding.Warning(
                    "spool",
                    $"the log store refused {refused} records; {dataFolder}/refused has them, each with the store's reason",
                    $"ls {dataFolder}/refused; fix the cause, then move the files away")],
        ];
    });
}
