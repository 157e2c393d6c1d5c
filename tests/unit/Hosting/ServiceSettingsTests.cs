using System.Net;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Dts.Master;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Logs;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class ServiceSettingsTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_master_listens_on_loopback_unless_told_otherwise()
    {
        var settings = Master();

        Assert.Equal((IPAddress.Loopback, 8070, ""), (settings.Listen, settings.ApiPort, settings.ApiToken));
        Assert.Equal([new Uri("http://127.0.0.1:2379")], settings.Etcd.Endpoints);
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("::")]
    public void A_master_that_others_reach_needs_a_token(string listen)
    {
        Assert.Equal(
            $"setting listen: \"{listen}\" (argument --listen); expected a loopback address, or a setting apiToken: "
                + "whoever reaches this port can run commands on every worker; "
                + "or make a token: dts-master token create --role admin --name NAME",
            Refusal(() => Start(hasRecords: false, "--listen", listen)));
        Assert.Equal(IPAddress.Parse(listen), Start(hasRecords: true, "--listen", listen).Listen);
        Assert.Equal(
            IPAddress.Parse(listen), Start(hasRecords: false, "--listen", listen, "--apiToken", "0123456789abcdef").Listen);
    }

    [Theory]
    [InlineData("127.0.0.5")]
    [InlineData("::1")]
    public void Every_loopback_address_is_accepted(string listen) =>
        Assert.Equal(IPAddress.Parse(listen), Start(hasRecords: false, "--listen", listen).Listen);

    [Fact]
    public void A_token_that_can_be_guessed_is_refused_and_not_repeated()
    {
        var refusal = Refusal(() => Master("--apiToken", "tooshort"));

        Assert.Equal("setting apiToken has 8 characters; expected at least 16", refusal);
    }

    [Theory]
    [InlineData("redis://root:hunter2@10.0.0.1")]
    [InlineData("mongodb://root:hunter2@")]
    public void A_URI_that_is_not_MongoDB_s_is_refused_without_its_password(string uri)
    {
        var refusal = Refusal(
            () => ILogWriter.Open(new LogSettings(uri, TimeSpan.FromSeconds(1), "/tmp/log.db"), NullLogger.Instance));

        Assert.StartsWith("setting mongodbUri: ", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void With_a_URI_the_log_is_in_MongoDB_and_the_password_is_not_printed()
    {
        var reader = SettingsReader.Load(["--mongodbUri", "mongodb://root:hunter2@10.0.0.1"], "");
        using var store = ILogWriter.Open(LogSettings.Read(reader), NullLogger.Instance);

        Assert.IsType<MongoLogWriter>(store);
        Assert.DoesNotContain("hunter2", reader.Effective, StringComparison.Ordinal);
    }

    [Fact]
    public void The_original_s_files_load()
    {
        var master = WriteFile("master.json", """
            {
              "API接口服务端口": "提供任务增删改查服务",
              "apiPort": 8071,
              "API接口读超时": "单位是毫秒",
              "apiReadTimeout": 4000,
              "API接口写超时": "单位是毫秒",
              "apiWriteTimeout": 3000,
              "etcd的集群列表": "配置多个, 避免单点故障",
              "etcdEndpoints": ["10.0.0.1:2379", "10.0.0.2:2379"],
              "etcd的连接超时": "单位毫秒",
              "etcdDialTimeout": 2000,
              "web页面根目录": "静态页面",
              "webroot": "./webroot",
              "mongodb连接超时时间": "单位毫秒",
              "mongodbConnectTimeout": 5000
            }
            """);
        var worker = WriteFile("worker.json", """
            {
              "etcdEndpoints": ["10.0.0.1:2379"],
              "etcdDialTimeout": 2000,
              "mongodbUri": "",
              "mongodbConnectTimeout": 5000,
              "日志批次大小": "为了减少mongodb网络往返",
              "jobLogBatchSize": 50,
              "日志自动提交超时": "毫秒",
              "jobLogCommitTimeout": 500
            }
            """);

        var (readMaster, readWorker) = (SettingsReader.Load(["-config", master], ""), SettingsReader.Load(["-config", worker], ""));
        var (masterSettings, workerSettings) = (MasterSettings.Read(readMaster), WorkerSettings.Read(readWorker));

        Assert.Equal(8071, masterSettings.ApiPort);
        Assert.Equal((TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(3)), (masterSettings.ReadTimeout, masterSettings.WriteTimeout));
        Assert.Equal([new Uri("http://10.0.0.1:2379"), new Uri("http://10.0.0.2:2379")], masterSettings.Etcd.Endpoints);
        Assert.Equal(TimeSpan.FromSeconds(2), workerSettings.Etcd.CallTimeout);
        Assert.Equal((50, TimeSpan.FromMilliseconds(500)), (workerSettings.LogBatchSize, workerSettings.LogCommitTimeout));
        Assert.DoesNotContain(readMaster.FindUnknown(), unknown => unknown.Contains(master, StringComparison.Ordinal));
        Assert.DoesNotContain(readWorker.FindUnknown(), unknown => unknown.Contains(worker, StringComparison.Ordinal));
    }

    [Fact]
    public void A_worker_has_a_default_for_everything()
    {
        var settings = Worker();

        Assert.Equal(Dns.GetHostName(), settings.WorkerId);
        Assert.Equal(4 * Environment.ProcessorCount, settings.Slots);
        Assert.Equal(("/bin/bash", 256 << 10), (settings.Shell, settings.OutputLimitBytes));
        Assert.Equal((TimeSpan.FromMilliseconds(1100), TimeSpan.FromSeconds(10)), (settings.ClaimAhead, settings.SessionTtl));
        Assert.Equal((100, TimeSpan.FromSeconds(1)), (settings.LogBatchSize, settings.LogCommitTimeout));
        Assert.Equal("/cron/jobs/", settings.Keys.Jobs);
    }

    [Theory]
    [InlineData("workerId",        "a/b",           "1 to 100 letters, digits, '.', '_' or '-'")]
    [InlineData("workerId",        "",              "1 to 100 letters, digits, '.', '_' or '-'")]
    [InlineData("dataFolder",      "data",          "an absolute path")]
    [InlineData("slots",           "0",             "a whole number from 1 to 10000")]
    [InlineData("shell",           "/no/such/sh",   "the path of a shell that exists")]
    [InlineData("claimAhead",      "99",            "a whole number from 100 to 10000")]
    [InlineData("sessionTtl",      "1",             "a whole number from 2 to 300")]
    [InlineData("jobLogBatchSize", "-1",            "a whole number from 1 to 100000")]
    [InlineData("logFile",         "log.db",        "an absolute path")]
    [InlineData("etcdEndpoints",   "",              "at least one host:port")]
    [InlineData("etcdEndpoints",   "ftp://a:1",     "host:port, or a list of them")]
    [InlineData("etcdEndpoints",   "10.0.0.1",      "host:port, or a list of them")]
    [InlineData("etcdEndpoints",   "http://etcd1",  "host:port, or a list of them")]
    [InlineData("etcdEndpoints",   "[::1]",         "host:port, or a list of them")]
    [InlineData("etcdEndpoints",   "a:1/path",      "host:port, or a list of them")]
    [InlineData("etcdPrefix",      "cron",          "a key prefix that begins and ends with '/'")]
    [InlineData("etcdCaFile",      "/no/such.pem",  "a PEM file that exists")]
    public void A_wrong_setting_of_the_worker_is_one_line(string key, string value, string expected) =>
        Assert.Equal($"setting {key}: \"{value}\" (argument --{key}); expected {expected}", Refusal(() => Worker($"--{key}={value}")));

    [Fact]
    public void A_session_shorter_than_one_call_is_refused_and_both_settings_are_named()
    {
        var refusal = Refusal(() => Worker("--sessionTtl", "2", "--etcdDialTimeout", "3600000"));

        Assert.Equal(
            "settings etcdDialTimeout (3600000 ms) and sessionTtl (2 s): the session would end during one call to etcd; "
            + "expected an etcdDialTimeout of at most sessionTtl, or 5000 ms",
            refusal);
        Assert.Equal(TimeSpan.FromSeconds(2), Worker("--sessionTtl", "2").SessionTtl);
        Assert.Equal(TimeSpan.FromSeconds(30), Worker("--sessionTtl", "30", "--etcdDialTimeout", "30000").Etcd.CallTimeout);
    }

    [Fact]
    public void An_unknown_zone_is_refused() =>
        Assert.StartsWith(
            "setting timeZone: \"Mars/Olympus\" (argument --timeZone); expected a time zone's IANA id",
            Refusal(() => Worker("--timeZone", "Mars/Olympus")),
            StringComparison.Ordinal);

    [Fact]
    public void With_certificates_etcd_is_called_over_TLS()
    {
        using var files = new TlsFiles();

        Assert.Equal(
            [new Uri("https://etcd1:2379")], Worker("--etcdCaFile", files.AuthorityFile, "--etcdEndpoints", "etcd1:2379").Etcd.Endpoints);
    }

    [Theory]
    [InlineData("etcd1:80",              "http://etcd1:80")]
    [InlineData("[::1]:2379",            "http://[::1]:2379")]
    [InlineData("https://10.0.0.1:443/", "https://10.0.0.1:443")]
    public void An_endpoint_keeps_its_port_even_if_it_is_the_default(string text, string endpoint) =>
        Assert.Equal([new Uri(endpoint)], Worker("--etcdEndpoints", text).Etcd.Endpoints);

    [Fact]
    public void Certificates_that_cannot_be_read_are_refused_in_one_line()
    {
        var file = WriteFile("ca.pem", "");

        Assert.Contains("has no certificate in PEM form", Refusal(() => Worker("--etcdCaFile", file)), StringComparison.Ordinal);
        Assert.Contains(
            "etcdCertFile and etcdKeyFile: only one of them is set",
            Refusal(() => Worker("--etcdKeyFile", file)),
            StringComparison.Ordinal);
        Assert.Contains(
            "etcdUser and etcdPassword: only one of them is set", Refusal(() => Worker("--etcdUser", "root")), StringComparison.Ordinal);
    }

    private static MasterSettings Start(bool hasRecords, params string[] arguments)
    {
        var reader = SettingsReader.Load(arguments, "");
        var settings = MasterSettings.Read(reader);
        settings.ThrowIfOpenToOthers(reader, hasRecords);
        return settings;
    }

    private static MasterSettings Master(params string[] arguments) => MasterSettings.Read(SettingsReader.Load(arguments, ""));

    private static WorkerSettings Worker(params string[] arguments) => WorkerSettings.Read(SettingsReader.Load(arguments, ""));

    private static string Refusal(Func<object> read) => Assert.Throws<SettingsException>(read).Message;

    private string WriteFile(string name, string text)
    {
        File.WriteAllText(_scratch.File(name), text);
        return _scratch.File(name);
    }
}
