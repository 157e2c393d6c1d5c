using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>systemd/deploy against hosts that only ssh's stand-in knows: the order in which it changes them, and where it stops.</summary>
public sealed class DeployWavesTests : IDisposable
{
    // Notes the begin and the end of each installation; waits in it for the file go; fails on h9.
    private const string StandInForSsh = """
        #!/bin/bash
        for host; do case $host in root@*) break ;; esac; done
        host=${host#root@} folder=$(dirname "$0") call=$(tail -n 1)
        case $call in
            *"'date' "*) date +%s%N ;;
            *"'current' "*) cat "$folder/version-of-$host" 2>/dev/null || true ;;
            *"'install_version' "*)
                echo "begin $host" >>"$folder/installed"
                for _ in $(seq 600); do [ ! -e "$folder/go" ] || break; sleep 0.05; done
                [ "$host" != h9 ] || exit 1
                sed "s/.*'install_version' 'worker' '\([^']*\)'.*/\1/" <<<"$call" >"$folder/version-of-$host"
                echo "end $host" >>"$folder/installed" ;;
        esac
        """;

    private readonly ScratchFolder _scratch = new();
    private OwnSession? _make;

    public DeployWavesTests()
    {
        foreach (var (name, script) in new[] { ("ssh", StandInForSsh), ("rsync", "#!/bin/sh\n"), ("dts-worker", "#!/bin/sh\n") })
        {
            File.WriteAllText(_scratch.File(name), script.ReplaceLineEndings("\n"));
            File.SetUnixFileMode(_scratch.File(name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    public void Dispose()
    {
        _make?.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task All_hosts_of_a_wave_are_changed_at_the_same_time_and_the_next_wave_begins_when_all_are_healthy()
    {
        Deploy("h1 h2 h3", "WAVE=2");
        await Patience.Until(() => Installed().Length == 2, Said);
        var first = Installed();
        File.WriteAllText(_scratch.File("go"), "");

        Assert.Equal(0, await EndedAsync());
        Assert.Equal(["begin h1", "begin h2"], first.Order());
        Assert.Equal(["end h1", "end h2"], Installed()[2..4].Order());
        Assert.Equal(["begin h3", "end h3"], Installed()[4..]);
    }

    [Fact]
    public async Task One_host_after_the_other_is_changed_if_nothing_else_is_asked_for()
    {
        File.WriteAllText(_scratch.File("go"), "");
        Deploy("h1 h2");

        Assert.Equal(0, await EndedAsync());
        Assert.Equal(["begin h1", "end h1", "begin h2", "end h2"], Installed());
    }

    [Fact]
    public async Task After_an_unhealthy_wave_each_host_is_listed_with_what_it_has_and_the_healthy_ones_can_be_taken_back()
    {
        File.WriteAllText(_scratch.File("go"), "");
        File.WriteAllText(_scratch.File("version-of-h9"), "0.9.0-00000000\n");
        Deploy("h1 h9 h2 h3", "WAVE=2");

        Assert.NotEqual(0, await EndedAsync());
        Assert.Matches(
            """
            (?m)^deploy: stopped at h9; the hosts after wave 1 of 2 are as they were
            deploy: \S+-[0-9a-f]{8}: h1
            deploy: 0\.9\.0-00000000: h9
            deploy: not-installed: h2 h3
            deploy: fix what the lines of h9 say, and deploy again; or roll the others back: make rollback HOSTS="h1" ROLE=worker$
            """.ReplaceLineEndings("\n"),
            Said());
        Assert.DoesNotContain("begin h2", Installed());
    }

    [Fact]
    public async Task Ctrl_C_lets_the_hosts_in_work_finish_and_then_stops()
    {
        var make = Deploy("h1 h2");
        await Patience.Until(() => Installed().Length == 1, Said);

        await make.InterruptAsync();
        await Patience.Until(() => Said().Contains("deploy: finishes the hosts in progress, then stops", StringComparison.Ordinal), Said);
        File.WriteAllText(_scratch.File("go"), "");

        Assert.NotEqual(0, await EndedAsync());
        Assert.Equal(["begin h1", "end h1"], Installed());
        Assert.Contains("deploy: interrupted after h1; the hosts after it are as they were\n", Said());
    }

    [Fact]
    public async Task A_wave_without_hosts_is_refused()
    {
        Deploy("h1", "WAVE=0");

        Assert.NotEqual(0, await EndedAsync());
        Assert.Contains("deploy: WAVE is \"0\"; expected how many hosts to change at a time\n", Said());
    }

    private OwnSession Deploy(string hosts, params string[] more) =>
        _make = new OwnSession([
            "sh", "-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", _scratch.File("said"),
            "make", "--no-print-directory", "-C", Tool.InRepository("."), "deploy", $"HOSTS={hosts}", "ROLE=worker",
            $"SSH={_scratch.File("ssh")}", $"BIN={_scratch.Path}", $"PATH={_scratch.Path}:{Environment.GetEnvironmentVariable("PATH")}",
            .. more]);

    private Task<int> EndedAsync() => _make!.EndedAsync();

    private string[] Installed() => File.Exists(_scratch.File("installed")) ? File.ReadAllLines(_scratch.File("installed")) : [];

    private string Said() => File.Exists(_scratch.File("said")) ? File.ReadAllText(_scratch.File("said")) : "";
}
