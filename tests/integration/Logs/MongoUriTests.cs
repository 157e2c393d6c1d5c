using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Logs;

public sealed class MongoUriTests(DocumentServer server) : IClassFixture<DocumentServer>
{
    private readonly RecordedLog _log = new();

    [Fact]
    public async Task A_wrong_password_is_one_line_without_it()
    {
        if (!IsGateway)
        {
            return;
        }

        Assert.Equal(
            $"MongoDB at {Host}: it refuses the user or the password of mongodbUri: Authentication failed.",
            await FailureAsync($"mongodb://dts:hunter2@{Host}/?authSource=cron", seconds: 20));
    }

    [Fact]
    public async Task A_user_logs_in_at_the_database_that_authSource_names()
    {
        if (!IsGateway)
        {
            return;
        }

        var user = $"mongodb://{ScramLogin.User}:{ScramLogin.Password}@{Host}/";
        using var store = new MongoLogStore($"{user}?authSource={ScramLogin.Database}", TimeSpan.FromSeconds(5), _log);

        Assert.Null(await store.FindAsync("nobody/1", CancellationToken.None));
        Assert.Contains("it refuses the user", await FailureAsync($"{user}?authSource=admin", seconds: 20), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_breaks_during_the_login_is_not_called_a_wrong_password()
    {
        if (!IsGateway)
        {
            return;
        }

        var said = await FailureAsync($"mongodb://{ScramLogin.CutOff}:hunter2@{Host}/?authSource=cron", seconds: 20);

        Assert.StartsWith($"MongoDB at {Host}: ", said, StringComparison.Ordinal);
        Assert.DoesNotContain("password", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "dts")]
    [InlineData("?appName=crontab", "crontab")]
    public void The_server_sees_us_as_dts_unless_the_URI_has_a_name(string options, string expected) =>
        Assert.Equal(expected, MongoUri.Read($"mongodb://h/{options}", TimeSpan.FromSeconds(1)).ApplicationName);

    [Theory]
    [InlineData("", false)]
    [InlineData("&tlsDisableCertificateRevocationCheck=true", false)]
    [InlineData("&tlsDisableCertificateRevocationCheck=false", true)]
    public void Whether_certificates_are_revoked_is_asked_only_if_the_URI_says_so(string option, bool expected)
    {
        var settings = MongoUri.Read($"mongodb://h/?tlsAllowInvalidHostnames=true{option}", TimeSpan.FromSeconds(1));

        Assert.Equal(expected, settings.SslSettings.CheckCertificateRevocation);
    }

    [Fact]
    public async Task An_unknown_host_is_one_line_that_names_it()
    {
        Assert.StartsWith("MongoDB at nowhere.invalid: nowhere.invalid:27017: ", await FailureAsync("mongodb://nowhere.invalid/"));
    }

    [Fact]
    public async Task A_name_that_has_no_hosts_in_DNS_is_one_line_that_names_the_records_it_needs()
    {
        Assert.Equal(
            "MongoDB at nowhere.invalid: DNS has no hosts for it (SRV records of _mongodb._tcp and this name)",
            await FailureAsync("mongodb+srv://dts:hunter2@nowhere.invalid/"));
    }

    [Theory]
    [InlineData("mongodb://h/?authMechanism=NO", "Unsupported MongoAuthenticationMechanism NO.")]
    [InlineData("mongodb://dts:hunter2@h/?journal=perhaps", "journal has an invalid boolean value of perhaps.")]
    [InlineData("mongodb://h/?authMechanism=GSSAPI", "option authMechanism: \"GSSAPI\" is not supported; expected SCRAM-SHA-256, "
        + "SCRAM-SHA-1, MONGODB-X509 or PLAIN")]
    [InlineData("mongodb://h/?authMechanism=MONGODB-AWS", "option authMechanism: \"MONGODB-AWS\" is not supported; "
        + "expected SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509 or PLAIN")]
    [InlineData("mongodb://h/?w=0", "option w: \"0\" would lose records; expected w=majority or a number from 1")]
    [InlineData("mongodb://%2Ftmp%2Fmongodb-27017.sock/", "a Unix socket as host is not supported; expected host:port")]
    [InlineData("mongodb://h/?tlsCAFile=%2Fnowhere.pem", "option tlsCAFile: \"/nowhere.pem\" cannot be read: "
        + "Could not find file '/nowhere.pem'.")]
    [InlineData("mongodb://h/?tls=false&tlsAllowInvalidCertificates=true", "option tls: \"false\", beside an option that needs TLS; "
        + "expected tls=true")]
    public void An_unsupported_option_is_one_line_that_lists_the_supported_ones(string uri, string expected) =>
        Assert.Equal(expected, Assert.Throws<FormatException>(() => MongoUri.Read(uri, TimeSpan.FromSeconds(1))).Message);

    [Fact]
    public void The_options_of_a_URI_win_over_the_setting_and_writes_ask_for_the_majority_unless_it_says_otherwise()
    {
        var usual = MongoUri.Read("mongodb://a/?journal=true", TimeSpan.FromSeconds(7));
        var own = MongoUri.Read(
            "mongodb://a,b/?w=2&connectTimeoutMS=1000&serverSelectionTimeoutMS=2000&waitQueueTimeoutMS=3000&socketTimeoutMS=4000",
            TimeSpan.FromSeconds(7));

        Assert.Equal(("majority", true, true), ($"{usual.WriteConcern.W}", usual.WriteConcern.Journal, usual.DirectConnection));
        Assert.Equal(
            [7, 7, 7, 60],
            new[] { usual.ConnectTimeout, usual.ServerSelectionTimeout, usual.WaitQueueTimeout, usual.SocketTimeout }.Select(
                span => span.TotalSeconds));
        Assert.Equal(("2", false), ($"{own.WriteConcern.W}", own.DirectConnection));
        Assert.Equal(
            [1, 2, 3, 4],
            new[] { own.ConnectTimeout, own.ServerSelectionTimeout, own.WaitQueueTimeout, own.SocketTimeout }.Select(
                span => span.TotalSeconds));
    }

    [Fact]
    public async Task A_primary_that_steps_down_costs_no_record_and_no_failure()
    {
        if (!server.TryStepDown())
        {
            return;
        }

        using var store = new MongoLogStore($"mongodb://{Host}/?replicaSet=rs", TimeSpan.FromSeconds(5), _log);

        await store.WriteAsync([Some.Record(0, "steps")], CancellationToken.None);

        Assert.Equal([Some.Record(0, "steps")], await store.ListAsync(JobName.Parse("steps"), 0, 10, CancellationToken.None));
    }

    [Theory]
    [InlineData("zlib")]
    [InlineData("snappy")]
    [InlineData("zstd")]
    public async Task Compressed_messages_are_written_and_read(string compressor)
    {
        if (!IsGateway)
        {
            return;
        }

        using var store = new MongoLogStore($"{server.Uri}&compressors={compressor}", TimeSpan.FromSeconds(5), _log);
        var record = Some.Record(0, compressor, output: new string('x', 100_000));

        await store.WriteAsync([record], CancellationToken.None);

        Assert.Equal([record], await store.ListAsync(JobName.Parse(compressor), 0, 10, CancellationToken.None));
        Assert.Contains(compressor, server.Compressors);
    }

    [Fact]
    public async Task Over_TLS_the_authorities_of_tlsCAFile_are_trusted_alone_and_tlsCertificateKeyFile_is_shown()
    {
        using var files = new TlsFiles();
        using var others = new TlsFiles();
        using var scratch = new ScratchFolder();
        await File.WriteAllTextAsync(
            scratch.File("own.pem"),
            await File.ReadAllTextAsync(files.ClientFile) + "\n" + await File.ReadAllTextAsync(files.ClientKeyFile));
        using var front = new TlsFront(files, Host);
        var place = $"mongodb://127.0.0.1:{front.Port}/?directConnection=true";
        using var store = new MongoLogStore(
            $"{place}&tlsCAFile={files.AuthorityFile}&tlsCertificateKeyFile={scratch.File("own.pem")}", TimeSpan.FromSeconds(5), _log);

        await store.WriteAsync([Some.Record(0, "tls")], CancellationToken.None);

        Assert.Equal("CN=client", front.Client);
        Assert.Contains("certificate", await FailureAsync($"{place}&tls=true"), StringComparison.Ordinal);
        Assert.Contains("certificate", await FailureAsync($"{place}&tlsCAFile={others.AuthorityFile}"), StringComparison.Ordinal);
        using var any = new MongoLogStore($"{place}&tlsAllowInvalidCertificates=true", TimeSpan.FromSeconds(5), _log);
        Assert.NotNull(await any.FindAsync(Some.Record(0, "tls").Id, CancellationToken.None));
    }

    [Fact]
    public async Task A_server_that_sends_its_intermediate_certificate_is_trusted_by_the_root_alone()
    {
        using var files = new TlsFiles(hasIntermediate: true);
        using var front = new TlsFront(files, Host);
        var uri = $"mongodb://127.0.0.1:{front.Port}/?tlsCAFile={files.AuthorityFile}";
        using var store = new MongoLogStore(uri, TimeSpan.FromSeconds(5), _log);

        Assert.Null(await store.FindAsync("nobody/1", CancellationToken.None));
    }

    private bool IsGateway => server.Kind == "DocumentDB";

    private string Host => new Uri(server.Uri).Authority;

    /// <param name="seconds">Where no server answers, the failure takes as long.</param>
    private async Task<string> FailureAsync(string uri, int seconds = 5)
    {
        using var store = new MongoLogStore(uri, TimeSpan.FromSeconds(seconds), _log);
        var failure = await Assert.ThrowsAsync<LogStoreException>(() => store.FindAsync("hello/1", CancellationToken.None));
        Assert.DoesNotContain("hunter2", failure.Message, StringComparison.Ordinal);
        return Assert.Single(failure.Message.Split('\n'));
    }
}
