using System.Collections;
using Dts.Common.Hosting;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

/// <remarks>The environment is the whole process's: the names used here are nobody else's.</remarks>
public sealed class SettingsReaderTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly List<string> _variables = [];

    public void Dispose()
    {
        _variables.ForEach(name => Environment.SetEnvironmentVariable(name, null));
        _scratch.Dispose();
    }

    [Fact]
    public void Arguments_win_over_the_environment_which_wins_over_the_file_which_wins_over_the_default()
    {
        WriteFile("""{"testByFile":"file","testByEnvironment":"file","testByArgument":"file"}""");
        SetVariable("DTS_TESTBYENVIRONMENT", "environment");
        SetVariable("DTS_TESTBYARGUMENT", "environment");
        var settings = Load("--testByArgument", "argument");

        Assert.Equal("default", settings.Text("testByNobody", "default"));
        Assert.Equal("file", settings.Text("testByFile", "default"));
        Assert.Equal("environment", settings.Text("testByEnvironment", "default"));
        Assert.Equal("argument", settings.Text("testByArgument", "default"));
    }

    [Fact]
    public void The_case_of_a_name_does_not_matter()
    {
        WriteFile("""{"TESTFILECASE":"1"}""");
        SetVariable("dts_TestVariableCase", "2");
        var settings = Load("--testargumentCASE", "3");

        Assert.Equal(
            ("1", "2", "3"),
            (settings.Text("testFileCase", ""), settings.Text("testVariableCase", ""), settings.Text("testArgumentCase", "")));
        Assert.Empty(OwnUnknown(settings));
    }

    [Fact]
    public void A_file_with_a_byte_order_mark_is_read()
    {
        WriteFile("\uFEFF{\"testByFile\":\"file\"}");

        Assert.Equal("file", Load().Text("testByFile", "default"));
    }

    [Theory]
    [InlineData("--key", "value")]
    [InlineData("-key", "value")]
    [InlineData("--key=value")]
    [InlineData("-key=value")]
    public void An_argument_has_one_dash_or_two_and_its_value_behind_a_space_or_an_equals_sign(params string[] arguments) =>
        Assert.Equal("value", Load(arguments).Text("key", ""));

    [Fact]
    public void A_value_may_have_equals_signs_and_be_empty() =>
        Assert.Equal(("a=b", ""), (Load("--key=a=b").Text("key", "x"), Load("--key=").Text("key", "x")));

    [Theory]
    [InlineData("argument \"key\": expected --key value", "key", "value")]
    [InlineData("argument \"--\": expected --key value",  "--")]
    [InlineData("argument --key has no value; expected --key value", "--key")]
    [InlineData("argument \"stray\": expected --key value", "--key", "value", "stray")]
    public void A_malformed_argument_is_refused(string error, params string[] arguments) =>
        Assert.Equal(error, Assert.Throws<SettingsException>(() => Load(arguments)).Message);

    [Fact]
    public void An_unknown_argument_is_refused_with_the_known_names()
    {
        var settings = Load("--slotz", "3");
        settings.Number("slots", 4, 1, 10);
        settings.Text("shell", "");

        var refusal = Assert.Throws<SettingsException>(settings.FindUnknown);

        Assert.Equal("argument --slotz: there is no such setting; known are config, shell, slots", refusal.Message);
    }

    [Fact]
    public void An_unknown_key_of_the_file_is_named_unless_it_is_a_comment_outside_ASCII()
    {
        var path = WriteFile("""{"API接口服务端口":"提供任务增删改查服务","apiPort":8070,"apiPrt":1}""");
        var settings = Load();
        settings.Number("apiPort", 1, 1, 65535);

        Assert.Equal([$"apiPrt ({path})"], OwnUnknown(settings));
    }

    [Fact]
    public void Variables_of_the_command_line_are_no_unknown_settings()
    {
        Hashtable environment = new() { ["DTS_URL"] = "http://m:8070", ["DTS_TOKEN"] = "secret", ["DTS_URLS"] = "x", ["PATH"] = "/bin" };
        var settings = SettingsReader.Load([], _scratch.File("settings.json"), environment: environment);

        Assert.Equal(["URLS (environment DTS_URLS)"], settings.FindUnknown());
    }

    [Theory]
    [InlineData("""["10.0.0.1:2379","10.0.0.2:2379"]""")]
    [InlineData("\"10.0.0.1:2379,10.0.0.2:2379\"")]
    [InlineData("\" 10.0.0.1:2379 , 10.0.0.2:2379, \"")]
    public void A_list_is_an_array_or_a_text_with_commas(string json)
    {
        WriteFile($$"""{"endpoints":{{json}}}""");

        Assert.Equal(["10.0.0.1:2379", "10.0.0.2:2379"], Load().List("endpoints", "127.0.0.1:2379"));
        Assert.Equal(["a", "b"], Load("--endpoints", "a,b").List("endpoints", ""));
        Assert.Equal(["127.0.0.1:2379"], Load().List("others", "127.0.0.1:2379"));
    }

    [Fact]
    public void An_error_names_the_key_the_value_its_source_and_the_expectation()
    {
        var path = WriteFile("""{"slots":0}""");
        SetVariable("DTS_TESTWRONG", "many");

        Assert.Equal(
            $"setting slots: \"0\" ({path}); expected a whole number from 1 to 10", Refusal(() => Load().Number("slots", 4, 1, 10)));
        Assert.Equal(
            "setting slots: \"11\" (argument --slots); expected a whole number from 1 to 10",
            Refusal(() => Load("--slots", "11").Number("slots", 4, 1, 10)));
        Assert.Equal(
            "setting testWrong: \"many\" (environment DTS_TESTWRONG); expected a whole number from 1 to 10",
            Refusal(() => Load().Number("testWrong", 4, 1, 10)));
        Assert.Equal("setting other: \"x\" (default); expected a number", Refusal(() => Load().Text("other", "x", _ => false, "a number")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1.5")]
    [InlineData("0x10")]
    [InlineData("99999999999")]
    [InlineData("-1")]
    public void A_number_is_whole_and_in_its_range(string text) =>
        Assert.Throws<SettingsException>(() => Load($"--key={text}").Number("key", 1, 0, 100));

    [Fact]
    public void A_value_of_several_lines_is_shown_in_one() =>
        Assert.DoesNotContain('\n', Refusal(() => Load("--key", "a\nb").Number("key", 1, 0, 100)));

    [Fact]
    public void The_config_argument_names_the_file()
    {
        var other = _scratch.File("other.json");
        File.WriteAllText(other, """{"from":"other"}""");
        WriteFile("""{"from":"default"}""");

        Assert.Equal("default", Load().Text("from", ""));
        Assert.Equal("other", Load("-config", other).Text("from", ""));
        Assert.Equal("other", Load($"--config={other}").Text("from", ""));
    }

    [Fact]
    public void Without_a_file_the_defaults_apply() => Assert.Equal("default", Load().Text("key", "default"));

    [Fact]
    public void A_named_file_must_exist() =>
        Assert.StartsWith(
            "settings file /no/such/file cannot be read: ", Refusal(() => Load("--config", "/no/such/file")), StringComparison.Ordinal);

    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("apiPort: 8070")]
    public void A_file_that_is_not_a_JSON_object_is_named(string text)
    {
        var path = WriteFile(text);

        Assert.StartsWith($"settings file {path} is not a JSON object: ", Refusal(() => Load()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_have_comments_and_trailing_commas()
    {
        WriteFile("""
            {
                // where etcd is
                "key": "value", /* and */
            }
            """);

        Assert.Equal("value", Load().Text("key", ""));
    }

    [Fact]
    public void The_effective_settings_are_printed_and_secrets_are_not()
    {
        var settings = Load("--apiToken", "hunter2hunter2hunter2", "--shell", "/bin/my shell");
        settings.Secret("apiToken");
        settings.Secret("etcdPassword");
        settings.Text("shell", "");
        settings.Number("slots", 8, 1, 10);

        Assert.Equal("apiToken=*** etcdPassword= shell=\"/bin/my shell\" slots=8", settings.Effective);
    }

    [Fact]
    public void A_credential_of_systemd_loses_its_last_newline_and_yields_to_the_environment()
    {
        WriteFile("""{"testSecretA":"file","testSecretB":"file"}""");
        File.WriteAllText(_scratch.File("DTS_TESTSECRETA"), "hunter2 \n");
        File.WriteAllText(_scratch.File("DTS_TESTSECRETB"), "credential\n");
        File.WriteAllText(_scratch.File("OTHER"), "not ours");
        SetVariable("DTS_TESTSECRETB", "environment");
        var settings = SettingsReader.Load([], _scratch.File("default.json"), _scratch.Path);

        Assert.Equal(("hunter2 ", "environment"), (settings.Secret("testSecretA"), settings.Secret("testSecretB")));
        Assert.DoesNotContain("hunter2", settings.Effective);
        Assert.Empty(settings.Exposed);
        Assert.Empty(OwnUnknown(settings));
    }

    [Fact]
    public void A_secret_on_the_command_line_is_named()
    {
        var settings = Load("--apiToken", "hunter2hunter2hunter2", "--etcdPassword", "", "--shell", "/bin/sh");
        settings.Secret("apiToken");
        settings.Secret("etcdPassword");
        settings.Text("shell", "");

        Assert.Equal(["apiToken"], settings.Exposed);
    }

    [Fact]
    public void Null_in_the_file_means_an_empty_text()
    {
        WriteFile("""{"key":null,"flag":true}""");

        Assert.Equal(("", "true"), (Load().Text("key", "x"), Load().Text("flag", "")));
    }

    private SettingsReader Load(params string[] arguments) => SettingsReader.Load(arguments, _scratch.File("default.json"));

    private string WriteFile(string text)
    {
        File.WriteAllText(_scratch.File("default.json"), text);
        return _scratch.File("default.json");
    }

    private void SetVariable(string name, string value)
    {
        _variables.Add(name);
        Environment.SetEnvironmentVariable(name, value);
    }

    /// <summary>Without what the environment of the test happens to have.</summary>
    private static IEnumerable<string> OwnUnknown(SettingsReader settings) =>
        settings.FindUnknown().Where(unknown => !unknown.Contains("environment DTS_", StringComparison.Ordinal));

    private static string Refusal(Func<object> read) => Assert.Throws<SettingsException>(read).Message;
}
