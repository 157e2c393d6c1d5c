using System.Diagnostics;
using System.Net;
using Dts.Tests.Cluster.Chaos;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>
/// Three hosts with systemd and sshd, booted from the Debian of .ci/hosts on a network of their own, an etcd that they reach, and make for
/// what operators do to them.
/// </summary>
/// <remarks>What a host writes is in memory, in a mount namespace of its own: with its processes all of it is gone.</remarks>
public sealed class SystemdHosts : IAsyncLifetime
{
    public const int Count = 3;

    private const string Boot = """
        set -e
        umask 022
        mkdir "$4" && echo $$ >"$4/cgroup.procs"
        mkdir -p /run/systemd/nspawn "$2" && mount -t tmpfs tmpfs /run/systemd/nspawn && mount -t tmpfs tmpfs "$2"
        cd "$2" && mkdir upper work root && mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" root
        echo "$5" >root/etc/hostname
        chroot root useradd -m -s /bin/bash deployer
        echo 'deployer ALL=(ALL) NOPASSWD: ALL' >root/etc/sudoers.d/deployer
        for home in root home/deployer; do install -D -m 644 "$6" root/$home/.ssh/authorized_keys; done
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        exec systemd-nspawn -q -D root -b --register=no --keep-unit --console=pipe --network-namespace-path="/run/netns/$3"
        """;

    private static readonly TimeSpan PatienceWithMake = TimeSpan.FromMinutes(3);

    private readonly ScratchFolder _folder = new();
    private readonly List<Process> _hosts = [];
    private readonly List<string> _addresses = [];
    private readonly List<string> _cgroups = [];
    private ChaosNetwork? _network;

    /// <summary>Why there are none; null = there are.</summary>
    public string? Missing { get; private set; }

    public EtcdServer Etcd { get; private set; } = null!;

    private string Ssh => $"ssh -i {_folder.File("key")} -o UserKnownHostsFile={_folder.File("known")} -o StrictHostKeyChecking=accept-new";

    public async ValueTask InitializeAsync()
    {
        var (exitCode, said) = await SayAsync("bash", "-c", "\"$0\" 2>&1 >\"$1\"", Tool.InRepository(".ci/hosts"), _folder.File("tree"));
        if (exitCode != 0)
        {
            Missing = said.Trim();
            return;
        }

        try
        {
            await BootAsync();
        }
        catch
        {
            await DisposeAsync(); // xunit does not, and hosts that are left would keep this machine busy.
            throw;
        }
    }

    private async Task BootAsync()
    {
        var tree = File.ReadAllText(_folder.File("tree")).Trim();
        var groups = (await Tool.RunAsync("findmnt", "-nt", "cgroup2", "-o", "TARGET")).Split('\n')[0];
        await Tool.RunAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", _folder.File("key"));
        _network = await ChaosNetwork.CreateAsync();
        for (var n = 1; n <= Count; n++)
        {
            _addresses.Add(await _network.AddAsync($"h{n}"));
            var space = _network.SpaceOf($"h{n}");
            _cgroups.Add(Path.Combine(groups, space));
            string[] boot = [tree, _folder.File($"h{n}"), space, _cgroups[^1], $"h{n}", _folder.File("key.pub")];
            _hosts.Add(
                Process.Start(new ProcessStartInfo(
                    "unshare", ["-m", "bash", "-c", $"exec >{_folder.File($"h{n}.log")} 2>&1 </dev/null; {Boot}", "boot", .. boot]))!);
        }

        Etcd = new EtcdServer { Host = IPAddress.Parse(_network.Here) };
        await Etcd.InitializeAsync();
        for (var n = 1; n <= Count; n++)
        {
            await Patience.Until(
                () => OnAsync(n, "systemctl is-system-running | grep -E 'running|degraded'").Result.ExitCode == 0,
                () => Describe(n),
                PatienceWithMake);
        }
    }

    /// <summary>What a host that does not come up says, and where its first processes stand.</summary>
    private string Describe(int host)
    {
        var said = OnAsync(host, "systemctl is-system-running; systemctl list-jobs --no-pager").Result.Said;
        var first = _hosts[host - 1].Id;
        var stands = ProcessTable.List().Where(process => process.Pid == first || process.Parent == first);
        var lines = stands.Select(process => Processes.Describe(process.Pid)).Append(File.ReadAllText(_folder.File($"h{host}.log")));
        return $"ssh: {said}\n{string.Join('\n', lines)}";
    }

    public string AddressOf(int host) => _addresses[host - 1];

    /// <summary>Runs a command on a host, which must end well, and returns what it printed.</summary>
    public async Task<string> RunAsync(int host, string command)
    {
        var (exitCode, said) = await OnAsync(host, command);
        Assert.True(exitCode == 0, $"h{host}: {command}: {said}");
        return said;
    }

    /// <summary>Waits until a command on a host ends well.</summary>
    public Task Soon(int host, string command) =>
        Patience.Until(
            () => OnAsync(host, command).Result.ExitCode == 0,
            () => $"h{host}: {command}\n{OnAsync(host, "journalctl -q -n 40 --no-pager").Result.Said}");

    /// <summary>What an operator types: make deploy HOSTS=… ROLE=…; a host's address is printed as h1, h2 or h3.</summary>
    public Task<(int ExitCode, string Said)> MakeAsync(string verb, string role, int[] hosts, params string[] more) =>
        MakeInAsync(Tool.InRepository("."), verb, role, hosts, [$"BIN={NativeProcess.Folder}", .. more]);

    /// <summary>The same in another folder, such as an unpacked release.</summary>
    public async Task<(int ExitCode, string Said)> MakeInAsync(string folder, string verb, string role, int[] hosts, params string[] more)
    {
        var (exitCode, said) = await SayAsync("env", [
            "-u",
            "BIN", // The make that runs the tests exports its own.
            "make",
            "--no-print-directory",
            "-C",
            folder,
            verb,
            $"HOSTS={string.Join(' ', hosts.Select(AddressOf))}",
            $"ROLE={role}",
            $"SSH={Ssh}",
            .. more]);
        for (var n = 1; n <= Count; n++)
        {
            said = said.Replace(AddressOf(n), $"h{n}");
        }

        return (exitCode, said);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            // With its first process all of it ends, and then nspawn.
            var first = File.Exists($"/proc/{host.Id}/task/{host.Id}/children")
                ? File.ReadAllText($"/proc/{host.Id}/task/{host.Id}/children")
                : "";
            foreach (var child in first.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                Processes.Kill(int.Parse(child, System.Globalization.CultureInfo.InvariantCulture));
            }

            await host.WaitForExitAsync().WaitAsync(Patience.Limit);
            host.Dispose();
        }

        foreach (var cgroup in _cgroups)
        {
            await Tool.RunAsync("find", cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";");
        }

        await (Etcd?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_network?.DisposeAsync() ?? ValueTask.CompletedTask);
        _folder.Dispose();
    }

    private Task<(int ExitCode, string Said)> OnAsync(int host, string command) =>
        SayAsync("ssh", [.. Ssh.Split(' ')[1..], "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", $"root@{AddressOf(host)}", command]);

    private static async Task<(int ExitCode, string Said)> SayAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            "/bin/sh", ["-c", "exec \"$@\" 2>&1 </dev/null", "sh", program, .. arguments]) { RedirectStandardOutput = true };
        start.Environment.Remove("MAKEFLAGS"); // Those of the make that runs the tests.
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync().WaitAsync(PatienceWithMake);
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (process.ExitCode, said);
    }
}
