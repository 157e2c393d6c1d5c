using System.Diagnostics;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The command line as a script uses it: processes, exit codes, a master.</summary>
public sealed class CommandTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private readonly string _name = $"job-{Guid.NewGuid():N}"[..16];

    [Fact]
    public async Task A_job_is_saved_read_paused_resumed_run_and_killed()
    {
        var (code, output, error) = await RunAsync("save -", $"name: {_name}\ncommand: \"true\"\ncronExpr: \"30 2 * * 1-5\"\n");
        Assert.True(code == 0, error);
        Assert.StartsWith($"saved {_name}: at 02:30 on Monday to Friday", output, StringComparison.Ordinal);

        Assert.Contains("\"cronExpr\": \"30 2 * * 1-5\"", (await RunAsync($"get {_name}")).Output, StringComparison.Ordinal);
        Assert.Equal((0, $"paused {_name}\n", ""), await RunAsync($"pause {_name}"));
        Assert.Equal((0, $"resumed {_name}\n", ""), await RunAsync($"resume {_name}"));
        Assert.Equal(4, (await RunAsync($"next {_name} -n 3")).Output.TrimEnd().Split('\n').Length);

        var run = await RunAsync($"run {_name}");
        Assert.Equal(0, run.Code);
        Assert.Contains("-manual-", run.Output, StringComparison.Ordinal);
        var kill = await RunAsync($"kill {_name} --reason enough");
        Assert.Equal((0, $"0 runs are asked to end, 1 are cancelled in the queue\n{run.Output}"), (kill.Code, kill.Output));
    }

    [Fact]
    public async Task A_refusal_is_one_line_on_stderr_and_exit_code_2()
    {
        Assert.Equal((2, "", $"name \"{_name}\" is not a job; expected a saved one\n"), await RunAsync($"get {_name}"));

        var job = $$"""{"name":"{{_name}}","command":"true","cronExpr":"@daily"}""";
        var (code, _, error) = await RunAsync("save -", job.Replace("}", ",\"timezone\":\"UTC\"}", StringComparison.Ordinal));
        Assert.Equal(2, code);
        Assert.Contains("did you mean \"timeZone\"?", error, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("save - --create", job)).Code);
        Assert.Equal(2, (await RunAsync("save - --create", job)).Code);
    }

    [Fact]
    public async Task A_crontab_is_imported_and_exported()
    {
        var crontab = $"# A backup\n30 2 * * * /opt/{_name} --full\n";

        var first = await RunAsync($"import - --format user -l of={_name}", crontab);
        Assert.Contains($"line 2: created {_name}: at 02:30", first.Output, StringComparison.Ordinal);
        var second = await RunAsync($"import - --format user -l of={_name}", crontab);
        Assert.Contains("0 created, 0 changed, 1 unchanged", second.Output, StringComparison.Ordinal);

        var exported = await RunAsync($"export --format crontab -l of={_name}");
        Assert.Contains($"30 2 * * * /opt/{_name} --full\n", exported.Output, StringComparison.Ordinal);
        Assert.Contains("1 unchanged, 0 refused", (await RunAsync("import -", exported.Output)).Output, StringComparison.Ordinal);

        var yaml = (await RunAsync($"export --format yaml -l of={_name}")).Output;
        Assert.Equal((0, "0 created, 0 changed, 0 deleted, 1 unchanged\n"), WithoutError(await RunAsync("apply -", yaml)));
        var changed = await RunAsync($"apply - --dry-run --prune label:of={_name}", yaml.Replace("30 2", "45 2", StringComparison.Ordinal));
        var plan = $"changed {_name}\n    cronExpr: \"30 2 * * *\" -> \"45 2 * * *\"\ndry run";
        Assert.StartsWith(plan, changed.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_help_of_the_executable_lists_the_service_and_the_commands()
    {
        var (code, output, _) = await RunAsync("--help");

        Assert.Equal(0, code);
        string[] expected = ["[--config FILE]", "doctor", "dts-master ls", "dts-master apply"];
        Assert.All(expected, text => Assert.Contains(text, output, StringComparison.Ordinal));
    }

    private static (int, string) WithoutError((int Code, string Output, string Error) ran) => (ran.Code, ran.Output);

    private async Task<(int Code, string Output, string Error)> RunAsync(string arguments, string input = "")
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "dts-master"), arguments.Split(' '))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DTS_URL"] = master.Http.BaseAddress!.ToString() },
        };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (process.ExitCode, await output, await error);
    }
}
