using System.Diagnostics;
using Dts.Master.Access;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>People and tokens from the command line, and the start of a master that others reach.</summary>
public sealed class AccessCommandTests : IAsyncLifetime
{
    private readonly MasterProcess _master = new();

    public ValueTask InitializeAsync() => _master.InitializeAsync();

    public ValueTask DisposeAsync() => _master.DisposeAsync();

    [Fact]
    public async Task After_the_first_admin_is_added_on_the_command_line_the_master_needs_credentials()
    {
        Assert.Equal(200, await StatusAsync(null));

        Assert.Equal((0, "added mara, admin\n", ""), await RunAsync("user add mara --role admin", "correct horse battery\n"));
        var (code, token, _) = await RunAsync("token create --name deploy-bot --role editor --filter label:team=pay --expires 90d");

        Assert.Equal(0, code);
        Assert.StartsWith(Secret.TokenPrefix, token);
        await Patience.Until(() => StatusAsync(null).GetAwaiter().GetResult() == 401, _master.Said);
        await Patience.Until(async () => await StatusAsync(token.Trim()) == 200, _master.Said);
        Assert.Matches(@"^mara +admin +by password\n\z", (await RunAsync("user list")).Output);
        Assert.Matches(@"^deploy-bot +editor +ends \d{4}-\d\d-\d\d +label:team=pay\n\z", (await RunAsync("token list")).Output);
        Assert.Equal((0, "revoked deploy-bot\n", ""), await RunAsync("token rm deploy-bot"));
        await Patience.Until(() => StatusAsync(token.Trim()).GetAwaiter().GetResult() == 401, _master.Said);
        Assert.Equal(0, (await RunAsync("user passwd mara", "another horse battery\n")).Code);
        Assert.Equal(0, (await RunAsync("user set mara --role viewer --filter job:a")).Code);
        Assert.Equal((0, "removed mara; all sessions have ended\n", ""), await RunAsync("user rm mara"));
    }

    [Fact]
    public async Task A_master_refuses_to_listen_beyond_loopback_until_there_is_a_person_or_token()
    {
        string[] listen = ["--listen", "0.0.0.0", "--apiPort", $"{_master.Http.BaseAddress!.Port}", "--logFile", _master.LogFile];
        var (code, _, said) = await StartAsync(listen, "");
        Assert.Equal(78, code);
        Assert.StartsWith(
            "setting listen: \"0.0.0.0\" (argument --listen); expected a loopback address, or a setting apiToken: ", said);
        Assert.EndsWith("or make a token: dts-master token create --role admin --name NAME\n", said);

        await RunAsync("token create --name first --role admin");

        // It goes on to the port, which is in use.
        Assert.Equal(1, (await StartAsync(listen, "")).Code);
    }

    [Fact]
    public async Task A_foreign_origin_is_allowed_only_if_there_is_a_person_or_token()
    {
        string[] start =
        [
            "--allowedOrigins", "https://dts.example", "--apiPort", $"{_master.Http.BaseAddress!.Port}", "--logFile", _master.LogFile,
        ];
        var (code, _, said) = await StartAsync(start, "");
        Assert.Equal(78, code);
        Assert.StartsWith(
            "setting allowedOrigins: \"https://dts.example\" (argument --allowedOrigins); expected loopback origins only, or a setting "
                + "apiToken: anyone who reaches that site could run commands on every worker; or make a token: ",
            said);

        await RunAsync("token create --name second --role admin");

        Assert.Equal(1, (await StartAsync(start, "")).Code); // It goes on to the port, which is in use.
    }

    private async Task<int> StatusAsync(string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/me");
        request.Headers.Authorization = token is null ? null : new("Bearer", token);
        using var answer = await _master.Http.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private Task<(int Code, string Output, string Error)> RunAsync(string arguments, string input = "") =>
        StartAsync(arguments.Split(' '), input);

    private Task<(int Code, string Output, string Error)> StartAsync(string[] arguments, string input) =>
        AccessCommandProcess.RunAsync(_master, arguments, input);
}

public sealed class AccessCommandFaultTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Theory]
    [InlineData("user add mara --role admin", "too short\n",            2,  "password has 9 characters; expected 12 to 1000\n")]
    [InlineData("user add mara --role admin", "",                       2,  "standard input has no line; expected a password\n")]
    [InlineData("user add a/b --role admin", "",                        2,  "name is \"a/b\"; expected 1 to 64 letters, digits")]
    [InlineData("user add local --role admin", "",                      2,  "name is \"local\", which names callers without")]
    [InlineData("user add mara --role root", "",                        2,  "--role is \"root\"; expected viewer, operator,")]
    [InlineData("user add m --role admin --filter job:a --no-password", "", 2, "filter limits an admin, who could lift it;")]
    [InlineData("user rm nobody", "",                                   2,  "name \"nobody\" is not a person; dts-master user list")]
    [InlineData("token create --name t --role viewer --filter bad", "", 2,  "filter has \"bad\"; expected only job:, label: and")]
    [InlineData("token create --name t --role viewer --expires x", "",  2,  "--expires is \"x\"; expected 90d, 12h, or a time")]
    [InlineData("token create --name t --role viewer --expires 2020-01-01", "", 2, "endsAt is 2020-01-01T00:00:00Z, which is past;")]
    [InlineData("token create --role viewer", "",                       64, "Option '--name' is required.")]
    public async Task A_wrong_call_prints_one_line_and_changes_nothing(string arguments, string input, int code, string said)
    {
        var answer = await AccessCommandProcess.RunAsync(master, arguments.Split(' '), input);

        Assert.Equal((code, ""), (answer.Code, answer.Output));
        Assert.StartsWith(said, answer.Error);
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.Access));
    }
}

/// <summary>Runs dts-master with the etcd of a master.</summary>
internal static class AccessCommandProcess
{
    public static async Task<(int Code, string Output, string Error)> RunAsync(MasterProcess master, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(master.Executable, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["DTS_ETCDENDPOINTS"] = master.Server.Endpoint.Authority;
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (process.ExitCode, await output, await error);
    }
}
