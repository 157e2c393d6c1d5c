using Dts.Common.Doctor;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Commands;
using Etcdserverpb;
using Xunit;

namespace Dts.Tests.Unit.Doctor;

public sealed class DoctorTests
{
    [Theory]
    [InlineData("dts-master")]
    [InlineData("dts-worker")]
    public async Task Its_help_lists_every_option_with_its_default(string executable)
    {
        var help = await Tool.RunAsync(Path.Combine(AppContext.BaseDirectory, executable), "doctor", "--help");

        Assert.Contains($"\n  {executable} doctor [options]\n", help);
        Assert.Matches(@"\n  --json +Print an array", help);
        Assert.Matches($@"\n  --config <file> .*\[default: {executable[4..]}.json, if it exists\]\n", help);
        Assert.Matches(@"\n  --etcdEndpoints <value> .*\[default: 127.0.0.1:2379\]\n", help);
        Assert.Contains("Exit code 0", help);
    }

    private const string Active = "LoadState=loaded\nActiveState=active\n";
    private const string UnitOfDts = "LoadState=loaded\nUser=dts\nAmbientCapabilities=";

    private static readonly Uri Endpoint = new("http://10.0.0.1:2379");

    [Theory]
    [InlineData("3.4.23",     false)]
    [InlineData("3.5.32",     false)]
    [InlineData("3.5.33",     true)]
    [InlineData("3.6.13",     false)]
    [InlineData("3.6.14",     true)]
    [InlineData("3.7.0",      false)]
    [InlineData("3.7.1-rc.1", true)]
    [InlineData("3.10.0",     true)]
    [InlineData("nonsense",   false)]
    public void Versions_whose_transactions_respect_the_rights_of_a_user(string version, bool expected) =>
        Assert.Equal(expected, EtcdChecks.IsRecommended(version));

    [Fact]
    public void A_healthy_member_is_one_line()
    {
        var finding = Assert.Single(EtcdChecks.Judge(Well(), Endpoint, 0.42, isRestricted: false));

        Assert.Equal(Finding.Ok("etcd", "10.0.0.1:2379 3.5.33, 0.4 ms, leader, 1.0 MB"), finding);
    }

    [Fact]
    public void An_old_version_is_a_warning_if_etcd_has_users()
    {
        var old = Well();
        old.Version = "3.4.23";

        Assert.All(EtcdChecks.Judge(old, Endpoint, 1, isRestricted: false), finding => Assert.Equal(FindingLevel.Ok, finding.Level));
        Assert.Contains(
            EtcdChecks.Judge(old, Endpoint, 1, isRestricted: true),
            finding => finding.Level == FindingLevel.Warning && finding.What.Contains("CVE-2026-33343"));
    }

    [Fact]
    public void Lost_quorum_alarms_and_little_space_are_found_with_their_remedy()
    {
        var ill = Well();
        (ill.Leader, ill.DbSize, ill.DbSizeInUse) = (0, 1_900_000_000, 1_800_000_000);
        ill.Errors.Add("memberID:1 alarm:NOSPACE ");

        var found = EtcdChecks.Judge(ill, Endpoint, 1, isRestricted: false).ToList();

        Assert.Contains(found, finding => finding is { Level: FindingLevel.Error } && finding.What.Contains("no leader"));
        Assert.Contains(
            found,
            finding => finding is { Level: FindingLevel.Error }
                && finding.What.Contains("alarm:NOSPACE; its quota is used up, and it accepts no writes")
                && finding.Remedy == "etcdctl --endpoints=http://10.0.0.1:2379/ compact 4711; "
                    + "etcdctl --endpoints=http://10.0.0.1:2379/ defrag; etcdctl --endpoints=http://10.0.0.1:2379/ alarm disarm");
        Assert.Contains(
            found, finding => finding is { Level: FindingLevel.Warning } && finding.What.Contains("1900.0 MB of its quota of 2147.5 MB"));
    }

    [Theory]
    [InlineData(0,    true)]
    [InlineData(-15,  true)]
    [InlineData(1.5,  true)]
    [InlineData(4,    false)]
    [InlineData(-120, false)]
    public void A_worker_whose_clock_is_off_is_named(double seconds, bool agrees)
    {
        var worker = new WorkerRegistration(
            "host", "10.0.0.2", "1", ThisProcess.Identity, 8, Some.Now, Clock: Some.Now.AddSeconds(seconds));

        var before = worker with { Clock = Some.Now.AddSeconds(-1) };

        var found = EtcdChecks.Judge([("w1", worker, 7), ("w2", before, 6)], Some.Now).ToList();

        Assert.Equal(!agrees, found.Any(finding => finding.Level == FindingLevel.Warning && finding.What.StartsWith("w1 wrote its time")));
    }

    [Fact]
    public void A_registration_that_is_not_renewed_is_not_reported_as_a_wrong_clock()
    {
        var stale = new WorkerRegistration("host", "10.0.0.2", "1", ThisProcess.Identity, 8, Some.Now, Clock: Some.Now.AddSeconds(-40));

        // A later revision with a later time proves nothing.
        var found = EtcdChecks.Judge([("w1", stale, 7), ("w2", stale with { Clock = Some.Now }, 8)], Some.Now).ToList();

        Assert.Equal(
            (FindingLevel.Warning, "w1 has not renewed its registration for 40 s, if its clock is right"), (found[0].Level, found[0].What));
        Assert.Equal(Finding.Ok("workers", "2 registered"), found[1]);
    }

    [Theory]
    [InlineData("",                                          "Ok systemd does not run here")]
    [InlineData("LoadState=not-found\nActiveState=inactive", "Ok dts-worker is not installed here")]
    [InlineData(Active + "TimeoutStopUSec=1min 30s",         "Ok dts-worker is active")]
    [InlineData(Active + "TimeoutStopUSec=infinity",         "Ok dts-worker is active")]
    [InlineData(Active + "TimeoutStopUSec=45s",              "Error TimeoutStopSec is 45 s, but dts-worker may take 60 s to stop")]
    [InlineData("LoadState=loaded\nActiveState=failed\nTimeoutStopUSec=1min 30s", "Error dts-worker has failed")]
    public void The_properties_of_the_unit_are_judged(string shown, string expected)
    {
        var first = HostChecks.Judge("dts-worker", TimeSpan.FromSeconds(60), shown, "root", "").First();

        Assert.Equal(expected, $"{first.Level} {first.What}");
        Assert.Equal(first.Level == FindingLevel.Ok, first.Remedy.Length == 0);
    }

    [Theory]
    [InlineData("[Unit]\n", true)]
    [InlineData("[Unit]\nOOMPolicy=kill\n", false)]
    public void A_unit_that_differs_from_the_shipped_one_is_found(string installed, bool isOurs)
    {
        using var scratch = new ScratchFolder();
        File.WriteAllText(scratch.File("ours"), "[Unit]\n");
        File.WriteAllText(scratch.File("installed"), installed);

        var first = HostChecks.Judge(
            "dts-master",
            TimeSpan.FromSeconds(30),
            $"LoadState=loaded\nActiveState=active\nFragmentPath={scratch.File("installed")}",
            "root",
            scratch.File("ours"))
            .First();

        Assert.Equal(isOurs, first.Level == FindingLevel.Ok);
        Assert.Equal(!isOurs, first.What.EndsWith("is not the unit that this version came with"));
    }

    [Theory]
    [InlineData("upstream other { }",                             0, "Ok it has no configuration for DTS here")]
    [InlineData("upstream dts_masters { } proxy_buffering off;",  0, "Ok /etc/nginx/conf.d/dts.conf: nginx -t is content")]
    [InlineData("upstream dts_masters { }",                       0, "Error /etc/nginx/conf.d/dts.conf buffers: live output comes late, "
        + "or not at all")]
    [InlineData("upstream dts_masters { } proxy_buffering off;",  1, "Error nginx -t: unknown directive")]
    public void A_site_of_nginx_that_buffers_or_is_wrong_is_found(string site, int exitCode, string expected)
    {
        var first = NginxCheck.Judge([("/etc/nginx/conf.d/dts.conf", site)], 8070, isAsked: true, () => (exitCode, "unknown directive\n"))
            .First();

        Assert.Equal(expected, $"{first.Level} {first.What}");
    }

    [Theory]
    [InlineData("upstream dts_masters { } proxy_buffering off;",                         true)]
    [InlineData("location / { proxy_pass http://127.0.0.1:8070; }",                      true)]
    [InlineData("location / {\n  proxy_pass http://localhost:8070/; # the master\n}",    true)]
    [InlineData("location / {\n  # proxy_pass http://127.0.0.1:8070;\n}",               false)]
    [InlineData("location / { proxy_pass http://127.0.0.1:9090; }",                      false)]
    public void An_nginx_that_passes_to_a_master_without_a_token_is_an_error(string site, bool passes)
    {
        var without = NginxCheck.Judge([("/etc/nginx/conf.d/any.conf", site)], 8070, isAsked: false, () => (0, "")).ToList();
        var with = NginxCheck.Judge([("/etc/nginx/conf.d/any.conf", site)], 8070, isAsked: true, () => (0, ""));

        Assert.Equal(
            passes,
            without.Any(
                finding => finding.Level == FindingLevel.Error
                    && finding.What.Contains("/etc/nginx/conf.d/any.conf passes requests to a master without apiToken")
                    && finding.Remedy.Contains("DTS_APITOKEN")));
        Assert.DoesNotContain(with, finding => finding.What.Contains("apiToken"));
    }

    [Fact]
    public void A_doctor_that_runs_as_another_user_than_the_service_says_how_to_run_it_as_that_user()
    {
        var shown = "LoadState=loaded\nActiveState=active\nUser=dts";

        var asRoot = HostChecks.Judge("dts-worker", TimeSpan.FromSeconds(1), shown, "root", "").First();

        Assert.Equal(
            (FindingLevel.Warning, "the doctor runs as root and dts-worker as dts, so it may judge rights wrongly"),
            (asRoot.Level, asRoot.What));
        Assert.StartsWith(
            "systemd-run -qP --wait --uid=dts -p EnvironmentFile=-/etc/dts/worker.env /opt/dts/current/dts-worker doctor", asRoot.Remedy);
        Assert.Equal(FindingLevel.Ok, Assert.Single(HostChecks.Judge("dts-worker", TimeSpan.FromSeconds(1), shown, "dts", "")).Level);
    }

    [Theory]
    [InlineData("",       false, 0UL,  "",                                              FindingLevel.Ok,    "runAs is empty")]
    [InlineData("backup", false, 0xC0, "",                                              FindingLevel.Error, "setpriv is not installed")]
    [InlineData("backup", true,  0xC0, "",                                              FindingLevel.Ok,    "may run as backup")]
    [InlineData("backup", true,  0x40, "",                                              FindingLevel.Error, "has no right")]
    [InlineData("backup", true,  0xC0, UnitOfDts,                                       FindingLevel.Error, "has no right")]
    [InlineData("backup", true,  0UL,  UnitOfDts + "cap_kill cap_setgid cap_setuid",    FindingLevel.Ok,    "may run as backup")]
    [InlineData("backup", true,  0UL,  "LoadState=loaded\nUser=\nAmbientCapabilities=", FindingLevel.Ok,    "may run as backup")]
    public void Switching_users_is_judged_by_the_settings_and_rights_of_the_worker(
        string runAs, bool hasSetpriv, ulong own, string shown, FindingLevel level, string says)
    {
        var finding = WorkerChecks.JudgeUsers(runAs.Length > 0 ? [runAs] : [], hasSetpriv ? "/usr/bin/setpriv" : null, own, shown);

        Assert.Equal(level, finding.Level);
        Assert.Contains(says, finding.What);
        Assert.Equal(level == FindingLevel.Error, finding.Remedy.Length > 0);
        Assert.DoesNotContain("runas.conf", finding.Remedy); // The unit itself gives the rights.
    }

    [Fact]
    public async Task A_log_file_that_is_a_folder_or_not_a_database_is_an_error()
    {
        using var scratch = new ScratchFolder();
        File.WriteAllText(scratch.File("text"), "not a database, but longer than the mark of one");
        Directory.CreateDirectory(scratch.File("folder"));
        File.WriteAllText(scratch.File("empty"), "");
        using (var store = new SqliteLogStore(scratch.File("log.db")))
        {
            await store.WriteAsync([Some.Record(0)], CancellationToken.None);
        }

        Assert.Equal(
            (FindingLevel.Error, $"{scratch.File("text")} is not an SQLite database"), await JudgeLogFileAsync(scratch.File("text")));
        Assert.Equal(
            (FindingLevel.Error, $"{scratch.File("folder")} is a folder; a file is expected there"),
            await JudgeLogFileAsync(scratch.File("folder")));
        Assert.Equal(FindingLevel.Ok, (await JudgeLogFileAsync(scratch.File("empty"))).Level);
        Assert.Equal(FindingLevel.Ok, (await JudgeLogFileAsync(scratch.File("log.db"))).Level);
    }

    private static async Task<(FindingLevel Level, string What)> JudgeLogFileAsync(string file)
    {
        var finding = Assert.Single(
            await LogStoreChecks.Of(new LogSettings("", TimeSpan.FromSeconds(1), file)).Look(CancellationToken.None));
        Assert.Equal(finding.Level == FindingLevel.Error, finding.Remedy.Length > 0);
        return (finding.Level, finding.What);
    }

    private static StatusResponse Well() => new()
    {
        Header = new ResponseHeader { MemberId = 1, Revision = 4711 },
        Version = "3.5.33",
        Leader = 1,
        DbSize = 1_000_000,
        DbSizeInUse = 900_000,
    };
}
