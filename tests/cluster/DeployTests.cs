using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What operators do, on real hosts: masters on h1 and h2, workers on h2 and h3.</summary>
[Collection("booted hosts")]
public sealed class DeployTests(SystemdHosts hosts) : IClassFixture<SystemdHosts>, IAsyncDisposable
{
    private const string Token = "a-token-for-this-test";

    private static readonly int[] Masters = [1, 2];
    private static readonly int[] Workers = [2, 3];

    // What is on each host, before it had anything of ours. The tests of a class run one after the other.
    private static readonly string?[] Before = new string?[SystemdHosts.Count];
    private static readonly string[] Settings = new string[SystemdHosts.Count];
    private static bool s_deployed;

    /// <summary>Each test leaves the settings as they were deployed, so that no test depends on those before it.</summary>
    public async ValueTask DisposeAsync()
    {
        for (var host = 1; s_deployed && host <= SystemdHosts.Count; host++)
        {
            Assert.Equal(Settings[host - 1], await SettingsAsync(host));
        }
    }

    [Fact]
    public async Task A_job_saved_through_nginx_runs_on_a_worker_whose_journal_has_its_lines_and_a_master_may_be_down()
    {
        await DeployedAsync();
        using var tls = new TlsFiles();
        await using var nginx = await NginxServer.StartSiteAsync(
            [.. Masters.Select(host => $"{hosts.AddressOf(host)}:8070")], tls, out var plainPort);
        using var http = Connect(nginx.Port, tls);

        var redirected = await http.GetAsync($"http://{NginxServer.SiteName}:{plainPort}/job/list");
        await SaveAsync(http, "h2", "h2");
        await hosts.RunAsync(1, "systemctl stop dts-master");
        for (var request = 0; request < 4; request++) // In turn to both masters, as nginx does it.
        {
            await SaveAsync(http, "h3", "h3");
        }

        await hosts.RunAsync(1, "systemctl start dts-master");

        Assert.Equal((HttpStatusCode.MovedPermanently, "https"), (redirected.StatusCode, redirected.Headers.Location?.Scheme));
        foreach (var host in Workers)
        {
            await hosts.Soon(host, $"journalctl -q -u dts-worker | grep 'h{host} succeeded for'");
        }
    }

    [Fact]
    public async Task Executables_that_need_nothing_but_glibc_keep_their_log_in_a_document_database()
    {
        await DeployedAsync();
        await using var server = new DocumentServer();
        await server.InitializeAsync();
        await using var proxy = new CutProxy(
            IPEndPoint.Parse(new Uri(server.Uri).Authority), IPAddress.Parse(hosts.Etcd.Endpoint.Host)); // The server is on loopback.
        var uri = $"mongodb://{proxy.Endpoint.Authority}/?directConnection=true";
        (int Host, string Service)[] services = [(1, "master"), (3, "worker")];
        foreach (var (host, service) in services)
        {
            await hosts.RunAsync(host, $"""
                cd /etc/dts && umask 077 && (cp -p {service}.env kept.env || true) &&
                    printf '\nDTS_MONGODBURI=%s\n' '{uri}' >>{service}.env && systemctl restart dts-{service}
                """);
        }

        await PutOnceAsync("documented", "echo in a document database");
        await hosts.Soon(1, $"""
            curl -s -H 'Authorization: Bearer {Token}' '127.0.0.1:8070/job/log?name=documented' | grep '"output":"in a document database'
            """);

        foreach (var (host, service) in services)
        {
            await hosts.RunAsync(
                host, $"cd /etc/dts; rm {service}.env; test ! -e kept.env || mv kept.env {service}.env; systemctl restart dts-{service}");
            var libraries = await hosts.RunAsync(host, $"ldd /opt/dts/current/dts-{service} | sed 's/^[[:blank:]]*//; s/ .*//; s|.*/||'");
            Assert.All(
                libraries.Split('\n', StringSplitOptions.RemoveEmptyEntries),
                library => Assert.Matches("^(linux-vdso|ld-linux[^.]*|libc|libm|libdl|libpthread|librt)[.]so[.]", library));
        }
    }

    [Fact]
    public async Task A_running_command_outlives_a_restart_and_a_kill_of_its_worker_and_the_journal_tells_its_story_by_fields()
    {
        await DeployedAsync();
        const string counts = "until test -e /tmp/enough; do echo $((i += 1)); sleep 0.3; done";
        var soon = DateTimeOffset.UtcNow.AddSeconds(8).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
        var job = new JsonObject
        {
            ["name"] = "counts",
            ["command"] = counts,
            ["cronExpr"] = $"@at {soon}",
            ["target"] = new JsonObject { ["workers"] = new JsonArray("h3") },
        };
        await hosts.Etcd.RunCtlAsync("put", "/cron/jobs/counts", job.ToJsonString());
        await hosts.Soon(3, "journalctl -q JOB=counts | grep 'counts started'");

        await hosts.RunAsync(3, "systemctl restart dts-worker");
        await hosts.Soon(3, "test $(journalctl -q JOB=counts | grep -c 'adopted from the process before') = 1");
        await hosts.RunAsync(3, "systemctl kill --kill-who=main -s KILL dts-worker");
        await hosts.Soon(3, "test $(journalctl -q JOB=counts | grep -c 'adopted from the process before') = 2");
        await hosts.RunAsync(3, "touch /tmp/enough");
        await hosts.Soon(3, "journalctl -q JOB=counts STATUS=succeeded WORKER=h3 | grep 'counts succeeded'");
        await hosts.RunAsync(3, "rm /tmp/enough");

        Assert.Equal("1\n", await hosts.RunAsync(3, "journalctl -q JOB=counts | grep -c 'counts started'"));
        Assert.Equal("", await hosts.RunAsync(3, "journalctl -q JOB=counts | grep lost || true"));
        Assert.Contains("RUN_ID", await hosts.RunAsync(3, "journalctl -q -o json JOB=counts STATUS=succeeded"));
    }

    // Each line: an attack and its outcome. Arguments: the worker's pid, the name of a holder's socket, the pid of another user's command.
    private const string Attack = """
        try() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "$what: had"; else echo "$what: refused"; fi; }
        connect() { curl -sm 2 --unix-socket "$1" http://holder/; [ $? -ne 7 ]; }
        data=/var/lib/dts/worker
        try 'enter the data folder' cd /var/lib/dts
        try 'list the sockets' ls $data/holders
        try 'connect to a socket' connect $data/holders/$2
        try 'read the launch journal' cat $data/launches
        try 'forge the launch journal' sh -c "echo launched x/y 1 1 >>$data/launches"
        try 'read the spool' sh -c "cat $data/spool/*"
        try 'read outputs' sh -c "for file in $data/output/*; do cat \$file && exit 0; done; exit 1"
        try 'read the log' cat /var/lib/dts/log.db
        try 'read the settings' cat /etc/dts/worker.json
        try 'read the passwords' cat /etc/dts/worker.env
        try 'read the credentials' cat /run/credentials/dts-worker.service/DTS_SECRET
        try "read the worker's environment" cat /proc/$1/environ
        try "list the worker's descriptors" ls /proc/$1/fd/
        try 'signal the worker' kill -0 $1
        try 'signal a command of another user' kill -0 $3
        try "read another user's environment" cat /proc/$3/environ
        """;

    [Fact]
    public async Task A_job_cannot_reach_its_worker_and_files_are_closed_and_the_umask_is_0022()
    {
        await DeployedAsync();
        await hosts.RunAsync(3, $"""
            cat >/srv/attack <<'EOF'
            {Attack}
            EOF
            (umask 077; echo secret >/etc/dts/secret; echo DTS_RUNAS=games >/etc/dts/worker.env)
            mkdir -p /run/systemd/system/dts-worker.service.d
            printf '[Service]\nLoadCredential=DTS_SECRET:/etc/dts/secret\n' >/run/systemd/system/dts-worker.service.d/secret.conf
            chmod 644 /var/lib/dts/log.db; chmod -R go+rX /var/lib/dts; systemd-tmpfiles --create /etc/tmpfiles.d/dts.conf
            systemctl daemon-reload; systemctl restart dts-worker
            """);
        await PutOnceAsync("other", "echo $$ >/tmp/other; head -c 100000 /dev/zero; exec sleep 4712", user: "games");
        await hosts.Soon(3, "test -s /tmp/other && test $(stat -c %s /var/lib/dts/worker/output/* | sort -n | tail -n 1) -gt 60000");
        var arguments = (await hosts.RunAsync(
            3,
            "echo $(systemctl show -P MainPID dts-worker) $(basename $(ls -t /var/lib/dts/worker/holders/*.sock | head -n 1)) "
                + "$(cat /tmp/other)")).Trim();

        await PutOnceAsync(
            "attack",
            $"id -un >/tmp/who; umask >>/tmp/who; pwd >>/tmp/who; ls >>/tmp/who; bash /srv/attack {arguments} >/tmp/attack.new 2>&1; "
                + "mv /tmp/attack.new /tmp/attack");
        await hosts.Soon(3, "test -e /tmp/attack");
        var attacked = await hosts.RunAsync(3, "cat /tmp/attack");
        var asRoot = await hosts.RunAsync(3, $"bash /srv/attack {arguments}");
        var who = await hosts.RunAsync(3, "cat /tmp/who");
        var open = await hosts.RunAsync(3, "find /var/lib/dts /var/lib/dts-job /etc/dts -perm /007");
        var openFiles = await hosts.RunAsync(3, "find /var/lib/dts -perm /077");
        await hosts.RunAsync(3, """
            kill $(cat /tmp/other)
            rm -r /srv/attack /tmp/attack /tmp/who /tmp/other /etc/dts/secret /etc/dts/worker.env \
                /run/systemd/system/dts-worker.service.d
            systemctl daemon-reload; systemctl restart dts-worker
            """);

        Assert.Equal(16, attacked.Trim().Split('\n').Length);
        Assert.All(attacked.Trim().Split('\n'), line => Assert.EndsWith(": refused", line, StringComparison.Ordinal));
        // Otherwise the failed attacks would prove nothing.
        Assert.All(asRoot.Trim().Split('\n'), line => Assert.EndsWith(": had", line, StringComparison.Ordinal));
        Assert.Equal("dts-job\n0022\n/var/lib/dts-job\n", who);
        Assert.Equal(("", ""), (open, openFiles));
    }

    [Fact]
    public async Task An_upgrade_adds_a_missing_jobUser_and_says_so_once()
    {
        await DeployedAsync();
        await hosts.RunAsync(
            3, "cp -p /etc/dts/worker.json /etc/dts/new.json; sed -i /jobUser/d /etc/dts/worker.json; systemctl restart dts-worker");

        var (first, saidFirst) = await hosts.MakeAsync("deploy", "worker", [3]);
        var (second, saidSecond) = await hosts.MakeAsync("deploy", "worker", [3]);
        await PutOnceAsync("upgraded", "id -un >/tmp/upgraded.new; mv /tmp/upgraded.new /tmp/upgraded");
        await hosts.Soon(3, "test -e /tmp/upgraded");
        var who = await hosts.RunAsync(3, "cat /tmp/upgraded; stat -c %a /etc/dts/worker.env");
        await hosts.RunAsync(
            3, "mv /etc/dts/new.json /etc/dts/worker.json; rm /etc/dts/worker.env /tmp/upgraded; systemctl restart dts-worker");

        Assert.True((first, second) == (0, 0), saidFirst + saidSecond);
        Assert.Contains(
            "h3: jobs that name no user run as dts-job from now on (DTS_JOBUSER in /etc/dts/worker.env), no longer as dts", saidFirst);
        Assert.DoesNotContain("dts-job", saidSecond);
        Assert.Equal("dts-job\n600\n", who);
    }

    [Fact]
    public async Task Status_fails_for_a_dead_host_or_an_inactive_service_and_shows_the_others()
    {
        await DeployedAsync();
        await hosts.RunAsync(1, "systemctl stop dts-master");

        var (stopped, saidStopped) = await hosts.MakeAsync("status", "", [1, 3]);
        await hosts.RunAsync(1, "systemctl start dts-master");
        var (dead, saidDead) = await hosts.MakeAsync("status", "worker", [], "HOSTS=127.0.0.2", "SSH=ssh -p 1");
        var (alive, saidAlive) = await hosts.MakeAsync("status", "worker", [3]);

        Assert.NotEqual(0, stopped);
        Assert.Matches("(?m)^h1 +master +.* +inactive ", saidStopped);
        Assert.Matches("(?m)^h3 +worker +.* +active ", saidStopped);
        Assert.NotEqual(0, dead);
        Assert.Matches("(?m)^127.0.0.2 +worker +- +no answer over ssh ", saidDead);
        Assert.True(alive == 0, saidAlive);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("deploy")]
    public async Task An_unknown_role_is_reported_in_one_line(string verb)
    {
        var (exitCode, said) = await hosts.MakeAsync(verb, "wrker", []);

        Assert.NotEqual(0, exitCode);
        Assert.Contains("ROLE is \"wrker\"; expected ROLE=master or ROLE=worker", Assert.Single(said.Trim().Split('\n')));
    }

    [Fact]
    public async Task Settings_that_are_there_stay_a_sample_gets_its_etcd_and_status_has_a_line_for_each_service()
    {
        await DeployedAsync();

        await hosts.Etcd.RunCtlAsync(
            "put", "/cron/jobs/often", """{"name":"often","command":"true","cronExpr":"* * * * * *","target":{"workers":["h3"]}}""");
        await hosts.Soon(3, "systemctl show -p StatusText dts-worker | grep 'last start'");
        await hosts.Etcd.RunCtlAsync("del", "/cron/jobs/often");

        var (exitCode, table) = await hosts.MakeAsync("status", "", [1, 2, 3]);

        Assert.Equal(0, exitCode);
        Assert.Collection(
            table.TrimEnd().Split('\n'),
            head => Assert.Matches("^HOST +ROLE +VERSION +STATE +RUNNING +LAG +RESTARTS +STATUS$", head),
            h1 => Assert.Matches(@"^h1 +master +\S+ +active +- +- +\d+ +\d+ jobs; etcd answers$", h1),
            h2 => Assert.Matches(@"^h2 +master +\S+ +active +- +- +\d+ +\d+ jobs; etcd answers$", h2),
            h2 => Assert.Matches(@"^h2 +worker +\S+ +active +\d+ of \d+ +(-|[\d.]+ ms) +\d+ +\d+ jobs; ", h2),
            h3 => Assert.Matches(@"^h3 +worker +\S+ +active +\d+ of \d+ +[\d.]+ ms +\d+ +\d+ jobs; .*; session held; ", h3));
        Assert.Equal("dts\n", await hosts.RunAsync(3, "stat -c %U /var/lib/dts/log.db"));
        Assert.Contains("0.0.0.0", await hosts.RunAsync(1, "cat /etc/dts/master.json"));
        Assert.Contains(hosts.Etcd.Endpoint.Authority, await hosts.RunAsync(3, "cat /etc/dts/worker.json"));
        Assert.Equal("running\n", await hosts.RunAsync(2, "systemctl is-system-running"));
    }

    [Fact]
    public async Task The_doctor_finds_nothing_wrong_with_a_host_as_it_was_deployed_and_finds_a_unit_that_was_changed()
    {
        await DeployedAsync();
        const string doctor =
            "systemd-run -qP --wait --uid=dts -p EnvironmentFile=-/etc/dts/worker.env "
                + "/opt/dts/current/dts-worker doctor --config /etc/dts/worker.json";

        var well = await hosts.RunAsync(3, doctor);
        var ill = await hosts.RunAsync(3, $"echo OOMPolicy=kill >>/etc/systemd/system/dts-worker.service; {doctor}");
        await hosts.RunAsync(3, "sed -i '$d' /etc/systemd/system/dts-worker.service; systemctl daemon-reload");

        Assert.Matches("(?m)^ok       unit        dts-worker is active", well);
        Assert.Equal(["cgroup"], Regex.Matches(well, "(?m)^warning  (.+?)  ").Select(found => found.Groups[1].Value.Trim()));
        Assert.Matches(
            "(?m)^warning  unit        /etc/systemd/system/dts-worker.service is not the unit that this version came with; fix it with: "
                + "install -m 644 /opt/dts/[^/]+/dts-worker.service ",
            ill);
    }

    [Fact]
    public async Task A_version_that_does_not_start_is_rolled_back_by_itself_and_the_hosts_after_it_stay_as_they_were()
    {
        await DeployedAsync();
        var before = await VersionsAsync();
        using var broken = new ScratchFolder();
        File.WriteAllText(broken.File("dts-worker"), "#!/bin/sh\necho broken on purpose\nexit 1\n");
        await Tool.RunAsync("chmod", "755", broken.File("dts-worker"));

        var (exitCode, said) = await hosts.MakeAsync("deploy", "worker", Workers, $"BIN={broken.Path}");

        Assert.NotEqual(0, exitCode);
        Assert.Contains("h2:     broken on purpose", said);
        Assert.Contains($"h2: rolled back: dts-worker {before[0]} is healthy", said);
        Assert.Contains("deploy: stopped at h2; the hosts after it are as they were", said);
        Assert.Equal(before, await VersionsAsync());
        Assert.Equal("active\n", await hosts.RunAsync(2, "systemctl is-active dts-worker"));
    }

    [Fact]
    public async Task A_new_version_takes_over_through_sudo_and_is_rolled_back_on_request()
    {
        await DeployedAsync();
        var before = await VersionsAsync();
        await hosts.RunAsync(3, "(umask 077; echo DTS_LOGLEVEL=warning >/etc/dts/worker.env)"); // Its journal does not say that it is well.
        using var next = new ScratchFolder();
        await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), next.File("dts-worker"));
        File.AppendAllText(next.File("dts-worker"), "\n"); // Another version by its content.

        var (deployed, saidDeploy) = await hosts.MakeAsync("deploy", "worker", [3], $"BIN={next.Path}", "USER=deployer");
        var between = await VersionsAsync();
        var (rolledBack, saidRollback) = await hosts.MakeAsync("rollback", "worker", [3], "USER=deployer");
        await hosts.RunAsync(3, "rm /etc/dts/worker.env; systemctl restart dts-worker");

        Assert.True(deployed == 0, saidDeploy);
        Assert.NotEqual(before[1], between[1]);
        Assert.True(rolledBack == 0, saidRollback);
        Assert.Equal(before, await VersionsAsync());
    }

    [Fact]
    public async Task What_is_wrong_with_a_host_is_said_with_its_remedy_before_any_host_is_changed()
    {
        await DeployedAsync();
        var before = await hosts.RunAsync(2, "systemctl show -p InvocationID dts-worker");
        await hosts.RunAsync(
            3,
            "mv /usr/bin/rsync /usr/bin/rsync.away; sed -i 's/etcdEndpoints.*/etcdEndpoints\": [\"127.0.0.1:1\"],/' /etc/dts/worker.json");

        // An old host with a full disk and a wrong clock, as far as these tell.
        await AnswersAsync("date", "echo $(($(/usr/bin/date +%s%N) + 60000000000))");
        await AnswersAsync("uname", "echo aarch64");
        await AnswersAsync("getconf", "echo glibc 2.28");
        await AnswersAsync("systemctl", "[ \"$1\" != --version ] && exec /usr/bin/systemctl \"$@\"; echo 'systemd 239 (239-82.el8)'");
        await AnswersAsync(
            "df", "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/vda1 1000000 897600 102400 90% /'");
        var (exitCode, said) = await hosts.MakeAsync("deploy", "worker", Workers);

        await hosts.RunAsync(
            3,
            $"rm /usr/local/bin/*; mv /usr/bin/rsync.away /usr/bin/rsync; sed -i 's/127.0.0.1:1/{hosts.Etcd.Endpoint.Authority}/' "
                + "/etc/dts/worker.json");
        Assert.NotEqual(0, exitCode);
        Assert.Matches(
            """
            ^h3: clock is [3-6][0-9]{4} ms or more off this machine's; mend the host's time service: .*
            h3: is aarch64, the executable is for x86_64; build for it with: make publish RID=linux-arm64
            h3: glibc is 2.28; expected 2.34 or later: .*
            h3: systemd is 239; expected 252 or later: .*
            h3: /opt has 100 MB free; expected 200; see what fills it: .*
            h3: /var/lib has 100 MB free; expected 1024; see what fills it: .*
            h3: rsync is missing; apt-get install -y rsync
            h3: no etcd at 127.0.0.1:1, which /etc/dts/worker.json names; correct it, or open the port on etcd's host: ufw allow 2379/tcp
            deploy: nothing was changed
            """.ReplaceLineEndings("\n"),
            said);
        Assert.Equal(before, await hosts.RunAsync(2, "systemctl show -p InvocationID dts-worker"));

        Task AnswersAsync(string program, string script) =>
            hosts.RunAsync(3, $"cat >/usr/local/bin/{program} <<'EOF'\n#!/bin/sh\n{script}\nEOF\nchmod 755 /usr/local/bin/{program}");
    }

    [Fact]
    public async Task Undeploy_leaves_no_command_behind_that_a_stopped_worker_had_left_to_its_holder()
    {
        await DeployedAsync();
        var soon = DateTimeOffset.UtcNow.AddSeconds(8).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
        var job = new JsonObject
        {
            ["name"] = "stays",
            ["command"] = "exec sleep 4711",
            ["cronExpr"] = $"@at {soon}",
            ["target"] = new JsonObject { ["workers"] = new JsonArray("h3") },
        };
        await hosts.Etcd.RunCtlAsync("put", "/cron/jobs/stays", job.ToJsonString());
        await hosts.Soon(3, "journalctl -q JOB=stays | grep 'stays started'");
        await hosts.RunAsync(3, "systemctl stop dts-worker");

        var (refused, said) = await hosts.MakeAsync("undeploy", "worker", [3]);

        Assert.NotEqual(0, refused);
        Assert.Contains(
            "h3: commands still run that no worker waited for, because it was stopped before; started again, so that it adopts them, "
                + "nothing was removed",
            said);
        await hosts.Soon(3, "journalctl -q JOB=stays | grep 'adopted from the process before'");
        await hosts.RunAsync(3, "pkill -f 'sleep 4711'");
        await hosts.Soon(3, "journalctl -q JOB=stays STATUS=failed | grep 'stays failed'");
    }

    [Fact]
    public async Task Undeploy_gives_up_no_record_unasked_and_leaves_nothing_but_logs()
    {
        await DeployedAsync();
        await hosts.RunAsync(
            3, "systemctl stop dts-worker; rm -f /var/lib/dts/log.db*; mkdir /var/lib/dts/log.db; systemctl start dts-worker");
        await hosts.Etcd.RunCtlAsync(
            "put", "/cron/jobs/waits", """{"name":"waits","command":"true","cronExpr":"* * * * * *","target":{"workers":["h3"]}}""");
        await hosts.Soon(3, "journalctl -q -u dts-worker | grep 'log store unavailable'");

        var (refused, saidRefused) = await hosts.MakeAsync("undeploy", "worker", [3]);
        await hosts.Soon(3, "systemctl is-active dts-worker");
        var (forced, saidForced) = await hosts.MakeAsync("undeploy", "worker", [3], "FORCE=1");
        await hosts.RunAsync(3, "rmdir /var/lib/dts/log.db /var/lib/dts");
        // No setting: it is in a comment.
        await hosts.RunAsync(2, """mkdir -p /srv/other/spool; sed -i 's|^{|{ // "dataFolder": "/srv/other"|' /etc/dts/worker.json""");
        var (workers, saidWorkers) = await hosts.MakeAsync("undeploy", "worker", [2]);
        var (masters, saidMasters) = await hosts.MakeAsync("undeploy", "master", Masters);
        await hosts.RunAsync(2, "rmdir /srv/other/spool /srv/other");
        s_deployed = false;

        Assert.NotEqual(0, refused);
        Assert.Contains("bytes of records have not reached the log store; started again, nothing was removed", saidRefused);
        Assert.True((forced, workers, masters) == (0, 0, 0), saidForced + saidWorkers + saidMasters);
        Assert.Contains("h2: dts-worker is removed; dts-master stays", saidWorkers);
        for (var host = 1; host <= SystemdHosts.Count; host++)
        {
            Assert.Equal(Before[host - 1], await FilesAsync(host));
            await hosts.RunAsync(host, "! id dts && ! id dts-job && ! pgrep dts && test -n \"$(journalctl -q -u 'dts-*')\"");
        }
    }

    /// <summary>
    /// Sees to it that it is deployed, as a newcomer does it: masters with settings that wait for them, workers with the samples.
    /// </summary>
    private async Task DeployedAsync()
    {
        Assert.SkipWhen(hosts.Missing is not null, hosts.Missing ?? "");
        if (s_deployed)
        {
            return;
        }

        for (var host = 1; host <= SystemdHosts.Count; host++)
        {
            Before[host - 1] ??= await FilesAsync(host);
        }

        foreach (var host in Masters)
        {
            await hosts.RunAsync(host, $$"""
                mkdir -p /etc/dts &&
                    echo '{ "listen": "0.0.0.0", "etcdEndpoints": ["{{hosts.Etcd.Endpoint.Authority}}"] }' >/etc/dts/master.json &&
                    (umask 077; echo DTS_APITOKEN={{Token}} >/etc/dts/master.env)
                """);
        }

        // As an undeploy has left it: of root, for there is no user dts.
        await hosts.RunAsync(3, "mkdir -p /var/lib/dts && touch /var/lib/dts/log.db");
        foreach (var (role, on) in new[] { ("master", Masters), ("worker", Workers) })
        {
            var (exitCode, said) = await hosts.MakeAsync("deploy", role, on, $"ETCD={hosts.Etcd.Endpoint.Authority}");
            Assert.True(exitCode == 0, said);
        }

        for (var host = 1; host <= SystemdHosts.Count; host++)
        {
            Settings[host - 1] = await SettingsAsync(host);
        }

        s_deployed = true;
    }

    /// <summary>Every file that an operator may set, with its mode and a sum of what it says.</summary>
    private Task<string> SettingsAsync(int host) =>
        hosts.RunAsync(
            host,
            "find /etc/dts /etc/systemd/system /run/systemd/system /usr/local/bin -type f "
                + "'(' -path '*dts*' -o -path '/usr/local/*' ')' -printf '%m %p ' -exec md5sum {} ';' | sort");

    /// <summary>Everything that a host keeps, logs and the run log of the embedded store aside.</summary>
    private Task<string> FilesAsync(int host) =>
        hosts.RunAsync(
            host,
            "find /etc /home /opt /root /srv /usr /var -xdev -not -path '/var/log/*' -not -path '/var/lib/dts*' -not -path '/var/tmp/*' "
                + "'(' -not -type d -o -name '*dts*' ')' | sort");

    private Task<string[]> VersionsAsync() =>
        Task.WhenAll(Workers.Select(async host => (await hosts.RunAsync(host, "readlink /opt/dts/current/dts-worker")).Split('/')[1]));

    /// <summary>A job that runs once on h3, soon.</summary>
    private Task<string> PutOnceAsync(string name, string command, string user = "")
    {
        var soon = DateTimeOffset.UtcNow.AddSeconds(8).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
        var job = new JsonObject
        {
            ["name"] = name,
            ["command"] = command,
            ["cronExpr"] = $"@at {soon}",
            ["user"] = user,
            ["target"] = new JsonObject { ["workers"] = new JsonArray("h3") },
        };
        return hosts.Etcd.RunCtlAsync("put", $"/cron/jobs/{name}", job.ToJsonString());
    }

    private static HttpClient Connect(int port, TlsFiles tls)
    {
        var http = tls.Connect(new Uri($"https://{NginxServer.SiteName}:{port}"));
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        return http;
    }

    private static async Task SaveAsync(HttpClient http, string name, string worker)
    {
        var job = new JsonObject
        {
            ["name"] = name,
            ["command"] = "true",
            ["cronExpr"] = "* * * * * *",
            ["target"] = new JsonObject { ["workers"] = new JsonArray(worker) },
        };
        using var form = new FormUrlEncodedContent([new("job", job.ToJsonString())]);
        using var response = await http.PostAsync("/job/save", form);
        Assert.Contains("\"errno\":0", await response.Content.ReadAsStringAsync());
    }
}
