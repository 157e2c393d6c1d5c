using System.Globalization;

namespace Dts.Worker.Commands;

/// <summary>
/// The cgroup that this process was started in. It gets two children: <c>worker</c> for this process, <c>runs</c> for the cgroups of runs.
/// </summary>
/// <remarks>
/// It must be delegated (Delegate=yes in the unit) and have no other processes. This process moves into <c>worker</c>, because a cgroup
/// that limits others must have no processes of its own (cgroups(7)). Controllers are switched on when a run first asks for one: while they
/// are on and a cgroup in <c>runs</c> has processes, systemd cannot start the unit's next process in this cgroup.
/// </remarks>
internal sealed class OwnCgroup
{
    private readonly string _path;

    private OwnCgroup(string path) => _path = path;

    /// <summary>The parent of the runs' cgroups.</summary>
    public string Runs => Path.Combine(_path, "runs");

    /// <summary>Null = it cannot be used, and <paramref name="why"/> says why.</summary>
    public static OwnCgroup? TryPrepare(out string why)
    {
        try
        {
            var path = FindPath();
            why = path is null ? "this host has no cgroup v2"
                : !File.Exists(Path.Combine(path, "cgroup.events")) ? "this worker was started in the root cgroup, not in one of its own"
                : FindOther(path) is { } other ? $"this worker shares its cgroup {path} with others (process {other})"
                : "";
            return why.Length == 0 ? MoveIn(path!) : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            why = $"its cgroup is not delegated to this worker (Delegate=yes in its unit): {failure.Message}";
            return null;
        }
    }

    /// <summary>Switches a controller on for runs if need be; null = runs can be limited by it, else why not.</summary>
    public string? FindMissing(string controller)
    {
        try
        {
            foreach (var folder in new[] { _path, Runs })
            {
                var (offered, enabled) = (Words(folder, "cgroup.controllers"), Words(folder, "cgroup.subtree_control"));
                if (!offered.Contains(controller))
                {
                    return $"its cgroup {folder} has no {controller} controller";
                }

                if (!enabled.Contains(controller))
                {
                    File.WriteAllText(Path.Combine(folder, "cgroup.subtree_control"), $"+{controller}");
                }
            }

            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return $"the {controller} controller cannot be switched on: {failure.Message}";
        }
    }

    private static OwnCgroup MoveIn(string path)
    {
        var own = new OwnCgroup(path);
        var worker = Directory.CreateDirectory(Path.Combine(path, "worker")).FullName;
        Directory.CreateDirectory(own.Runs);
        File.WriteAllText(Path.Combine(worker, "cgroup.procs"), "0"); // 0 = the writing process
        return own;
    }

    /// <summary>The folder of the cgroup in the version 2 hierarchy; null = that is not mounted.</summary>
    private static string? FindPath()
    {
        // mountinfo: id, parent, device, root of the mount, mount point, …, "-", type (proc(5)).
        var mount = File.ReadLines("/proc/self/mountinfo")
            .Select(line => line.Split(" - ", 2))
            .Where(line => line[^1].StartsWith("cgroup2 ", StringComparison.Ordinal))
            .Select(line => line[0].Split(' '))
            .FirstOrDefault();
        var own = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::/", StringComparison.Ordinal))?[3..];
        if (mount is null || own is null)
        {
            return null;
        }

        var inside = mount[3] != "/" && own.StartsWith(mount[3], StringComparison.Ordinal) ? own[mount[3].Length..] : own;
        return Path.Combine(mount[4], inside.TrimStart('/'));
    }

    private static string? FindOther(string path) =>
        File.ReadLines(Path.Combine(path, "cgroup.procs"))
            .FirstOrDefault(pid => pid != Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

    private static string[] Words(string folder, string file) =>
        File.ReadAllText(Path.Combine(folder, file)).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
}
