using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class DoctorTests(
    EtcdServer etcd, DocumentServer documents) : IClassFixture<EtcdServer>, IClassFixture<DocumentServer>, IDisposable
{
    private const string DeadEndpoint = "127.0.0.1:1";

    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("dts-master")]
    [InlineData("dts-worker")]
    public async Task Where_all_is_well_it_finds_no_error_and_changes_nothing(string executable)
    {
        var said = await SaysSoon(
            0,
            [
                $@"(?m)^ok       etcd        {etcd.Endpoint.Authority} [0-9.]+ .*[0-9.]+ ms",
                "(?m)^ok       log store   .*log.db will be created",
            ],
            executable,
            etcd.Endpoint.Authority);

        Assert.DoesNotContain("error", said);
        Assert.Equal(["log"], Directory.EnumerateFileSystemEntries(_scratch.Path).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public Task A_dead_endpoint_is_named_with_what_to_do_and_all_else_is_still_looked_at() => SaysSoon(
        2,
        [
            $"(?m)^error    etcd        {DeadEndpoint}: .*; fix it with: systemctl status etcd",
            $"(?m)^ok       etcd        {etcd.Endpoint.Authority}",
            "(?m)^ok       time zones",
        ],
        "dts-master",
        $"{DeadEndpoint},{etcd.Endpoint.Authority}");

    [Fact]
    public async Task A_spool_that_cannot_be_written_is_an_error()
    {
        File.WriteAllText(_scratch.File("file"), "");

        await SaysSoon(
            2,
            [$"(?m)^error    spool       {_scratch.File("file")} cannot be written .*; fix it with: install -d"],
            "dts-worker",
            etcd.Endpoint.Authority,
            "--dataFolder",
            _scratch.File("file/worker"));
    }

    [Fact]
    public async Task For_scripts_there_is_JSON()
    {
        var said = await SaysSoon(2, ["""{"level":"ok","area":"time zones","""], "dts-worker", DeadEndpoint, "--json");

        var findings = JsonNode.Parse(said)!.AsArray();
        Assert.Contains(
            findings,
            finding => (string?)finding!["level"] == "error"
                && (string?)finding["area"] == "etcd"
                && ((string?)finding["remedy"])!.Length > 0);
        Assert.Contains(findings, finding => (string?)finding!["level"] == "ok" && (string?)finding["area"] == "time zones");
    }

    [Fact]
    public async Task A_document_database_is_asked_for_its_indexes_and_one_that_is_away_is_an_error()
    {
        await SaysSoon(
            0,
            ["(?m)^ok       log store   MongoDB at .* answers"],
            "dts-worker",
            etcd.Endpoint.Authority,
            "--mongodbUri",
            documents.Uri);

        var said = await SaysSoon(
            2,
            ["(?m)^error    log store   MongoDB"],
            "dts-worker",
            etcd.Endpoint.Authority,
            "--mongodbUri",
            "mongodb://dts:hunter2@127.0.0.1:1");
        Assert.DoesNotContain("hunter2", said);
    }

    [Fact]
    public async Task A_user_of_the_document_database_without_the_right_to_write_is_an_error_with_the_grant_that_is_missing()
    {
        Assert.SkipUnless(documents.TryRefuse("insert", "update", "createIndexes"), $"{documents.Kind} is nobody's to take rights from");
        try
        {
            await SaysSoon(
                2,
                [
                    "(?m)^error    log store   records cannot be written: .*not authorized on cron to execute command update.*; "
                        + "fix it with: mongosh .*grantRolesToUser",
                ],
                "dts-master",
                etcd.Endpoint.Authority,
                "--mongodbUri",
                documents.Uri);
        }
        finally
        {
            documents.TryRefuse();
        }
    }

    [Fact]
    public async Task Records_that_wait_in_the_spool_are_counted()
    {
        using (var spool = Spool.Open(_scratch.File("data/spool"), 1 << 20, NullLogger.Instance))
        {
            spool.Append([Some.Record(1), Some.Record(2)]);
            spool.Acknowledge(spool.Read(1));
            spool.Append([Some.Record(3)]);
        }

        await SaysSoon(null, ["(?m)^ok       spool       .*/data/spool: 2 records wait"], "dts-worker", etcd.Endpoint.Authority);
    }

    [Fact]
    public async Task A_wrong_setting_is_one_line_and_exit_code_78()
    {
        var (exitCode, said) = await AskAsync("dts-worker", etcd.Endpoint.Authority, "--slots", "0");

        Assert.Equal(78, exitCode);
        Assert.StartsWith("setting slots: \"0\"", said);
    }

    /// <summary>
    /// Asks until it ends with this exit code and says all of these (regular expressions): each check has three seconds, which a busy
    /// machine may take.
    /// </summary>
    /// <param name="exitCode">Null = any.</param>
    private async Task<string> SaysSoon(int? exitCode, string[] expected, string executable, string endpoints, params string[] more)
    {
        var said = "";
        await Patience.Until(
            async () =>
            {
                (var code, said) = await AskAsync(executable, endpoints, more);
                return code == (exitCode ?? code) && expected.All(text => Regex.IsMatch(said, text));
            },
            () => said);
        return said;
    }

    private async Task<(int ExitCode, string Said)> AskAsync(string executable, string endpoints, params string[] more)
    {
        string[] ofWorkers = executable == "dts-worker" && !more.Contains("--dataFolder") ? ["--dataFolder", _scratch.File("data")] : [];
        File.Delete(_scratch.File("log"));
        await using var process = NativeProcess.Start(
            executable,
            _scratch.File("log"),
            ["doctor", "--etcdEndpoints", endpoints, "--logFile", _scratch.File("log.db"), .. ofWorkers, .. more]);
        return (await process.WaitAsync(), process.ReadLog());
    }
}
