using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>Workers on three hosts, deployed from a release and in waves.</summary>
[Collection("booted hosts")]
public sealed class DeployReleaseTests(SystemdHosts hosts, Release release) : IClassFixture<SystemdHosts>, IClassFixture<Release>
{
    private static readonly int[] All = [1, 2, 3];

    [Fact]
    public async Task A_release_is_deployed_from_where_it_was_unpacked_without_NET_and_git_and_from_its_tarball()
    {
        Assert.SkipWhen(hosts.Missing is not null, hosts.Missing ?? "");
        using var absent = new ScratchFolder();
        foreach (var tool in new[] { "dotnet", "git", "cc" })
        {
            File.WriteAllText(absent.File(tool), "#!/bin/sh\necho \"$0 was called\" >&2\nexit 127\n");
            await Tool.RunAsync("chmod", "755", absent.File(tool));
        }

        var etcd = $"ETCD={hosts.Etcd.Endpoint.Authority}";
        var path = $"PATH={absent.Path}:{Environment.GetEnvironmentVariable("PATH")}";

        var (unpacked, saidUnpacked) = await hosts.MakeInAsync(release.Unpacked, "deploy", "worker", [1, 2], etcd, path, "WAVE=2");
        var (packed, saidPacked) = await hosts.MakeAsync("deploy", "worker", [3], etcd, $"TARBALL={release.Tarball}");
        var (status, table) = await hosts.MakeInAsync(release.Unpacked, "status", "", All, path);
        var versions = await VersionsAsync();

        Assert.True((unpacked, packed, status) == (0, 0, 0), saidUnpacked + saidPacked + table);
        Assert.DoesNotContain("was called", saidUnpacked + table);
        Assert.Matches($"^{Release.Version}-[0-9a-f]{{8}}$", Assert.Single(versions.Distinct()));
        Assert.Contains($"h3: dts-worker {versions[0]} is healthy", saidPacked);
        Assert.Equal($"dts-worker {Release.Version}\n", await hosts.RunAsync(1, "/opt/dts/current/dts-worker --version"));
    }

    [Fact]
    public async Task A_wave_with_an_unhealthy_host_is_the_last_and_each_host_is_listed_with_its_version_and_what_to_do()
    {
        Assert.SkipWhen(hosts.Missing is not null, hosts.Missing ?? "");
        var (first, saidFirst) = await hosts.MakeInAsync(
            release.Unpacked, "deploy", "worker", All, $"ETCD={hosts.Etcd.Endpoint.Authority}", "WAVE=10");
        Assert.True(first == 0, saidFirst);
        var before = await VersionsAsync();
        var untouched = await hosts.RunAsync(3, "systemctl show -p InvocationID dts-worker");
        using var next = new ScratchFolder();
        File.WriteAllText(next.File("dts-worker"), $"""
            #!/bin/sh
            if [ "$(cat /etc/hostname)" = h2 ]; then echo broken on purpose; exit 1; fi
            exec /opt/dts/{before[0]}/bin/dts-worker "$@"
            """.ReplaceLineEndings("\n"));
        await Tool.RunAsync("chmod", "755", next.File("dts-worker"));

        var (exitCode, said) = await hosts.MakeInAsync(release.Unpacked, "deploy", "worker", All, $"BIN={next.Path}", "WAVE=2");
        var between = await VersionsAsync();
        var (rolledBack, saidRollback) = await hosts.MakeInAsync(release.Unpacked, "rollback", "worker", [1]);

        Assert.NotEqual(0, exitCode);
        Assert.Contains($"h1: dts-worker {between[0]} is healthy, before it was {before[0]}", said);
        Assert.Contains($"h2: rolled back: dts-worker {before[1]} is healthy", said);
        Assert.Contains($"""
            deploy: stopped at h2; the hosts after wave 1 of 2 are as they were
            deploy: {between[0]}: h1
            deploy: {before[0]}: h2 h3
            deploy: fix what the lines of h2 say, and deploy again; or roll the others back: make rollback HOSTS="h1" ROLE=worker

            """.ReplaceLineEndings("\n"), said);
        Assert.NotEqual(before[0], between[0]);
        Assert.Equal(untouched, await hosts.RunAsync(3, "systemctl show -p InvocationID dts-worker"));
        Assert.True(rolledBack == 0, saidRollback);
        Assert.Equal(before, await VersionsAsync());
    }

    private Task<string[]> VersionsAsync() =>
        Task.WhenAll(All.Select(async host => (await hosts.RunAsync(host, "readlink /opt/dts/current/dts-worker")).Split('/')[1]));
}
