using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary><c>dts-master ls</c> and the other commands; most are clients of a master's API.</summary>
internal sealed class CommandLine
{
    private const string DefaultUrl = "http://127.0.0.1:8070";

    private static readonly TimeSpan CompletesWithin = TimeSpan.FromSeconds(2);

    private readonly Func<string, string?> _environment;
    private readonly RootCommand _root;
    private readonly HostCommands _ofHost;
    private readonly Option<string> _url;
    private readonly Option<string> _tokenFile = Text("--token-file", "A file with the API token (environment: the token in DTS_TOKEN)");
    private readonly Option<bool> _json = Flag("--json", "Print the API's answer as it is");

    /// <param name="settings">The master's settings with their defaults; null = none.</param>
    public CommandLine(
        Terminal terminal, Func<string, string?> environment, Func<IReadOnlyDictionary<string, string>>? settings = null)
    {
        (Terminal, _environment) = (terminal, environment);
        _ofHost = new HostCommands(settings ?? (() => new Dictionary<string, string>()));
        _url = Text("--url", "The master to ask (environment: DTS_URL)", environment("DTS_URL") ?? DefaultUrl);
        _root = new RootCommand("The distributed crontab from the command line");
        foreach (var option in (Option[])[_url, _tokenFile, _json])
        {
            option.Recursive = true;
            _root.Add(option);
        }

        foreach (var command in (IEnumerable<Command>)
        [
            .. new JobCommands(this).All, .. new RunCommands(this).All, .. new SetCommands(this).All, .. new AccessCommands(this).All,
            _ofHost.Doctor, Completion.Make(terminal),
        ])
        {
            _root.Add(command);
        }
    }

    public Terminal Terminal { get; }

    /// <summary>A line for each command, for the help of the executable.</summary>
    public IEnumerable<string> Lines =>
        _root.Subcommands.Except([_ofHost.Doctor]).Select(command => $"dts-master {command.Name,-10} {command.Description}");

    /// <summary>Whether arguments are meant as a command, known or not, and not as settings of the service.</summary>
    public static bool Has(string[] arguments) => arguments is [[not '-', ..], ..];

    public async Task<int> RunAsync(string[] arguments, CancellationToken cancel = default)
    {
        _ofHost.Complete(_root.Subcommands.Single(command => command.Name == "ledger"));
        var parsed = _root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Action is ParseErrorAction)
        {
            foreach (var error in parsed.Errors)
            {
                Terminal.Note(error.Message);
            }

            Terminal.Note($"{PathOf(parsed.CommandResult)} --help lists what is expected");
            return ExitCodes.Usage;
        }

        try
        {
            var settings = new InvocationConfiguration
            {
                Output = Terminal.Out, Error = Terminal.Err, EnableDefaultExceptionHandler = false,
            };
            return await parsed.InvokeAsync(settings, cancel);
        }
        catch (CommandFailure failure)
        {
            Terminal.Note(failure.Message);
            return failure.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Refused;
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            // While a stream was copied from the master to the output.
            Terminal.Note($"{(ApiClient.IsBreak(failure) ? "the answer breaks off" : "the output cannot be written")}: {failure.Message}");
            return ExitCodes.Refused;
        }
    }

    public static Option<string> Text(string name, string description, string fallback = "", params string[] aliases) =>
        new(name, aliases) { Description = description, DefaultValueFactory = _ => fallback };

    public static Option<string[]> Texts(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, DefaultValueFactory = _ => [] };

    public static Option<int> Number(string name, string description, int fallback, params string[] aliases) =>
        new(name, aliases) { Description = description, DefaultValueFactory = _ => fallback };

    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description };

    public static Command Build(string name, string description, IEnumerable<Symbol> symbols)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument)
            {
                command.Add(argument);
            }
            else
            {
                command.Add((Option)symbol);
            }
        }

        return command;
    }

    /// <summary>A command that asks a master.</summary>
    public Command Make(string name, string description, Func<CommandCall, Task<int>> act, params IEnumerable<Symbol> symbols)
    {
        var command = Build(name, description, symbols);
        command.SetAction(async (parsed, cancel) =>
        {
            using var api = Open(parsed);
            return await act(new CommandCall(parsed, api, Terminal, parsed.GetValue(_json), cancel));
        });
        return command;
    }

    /// <summary>Refuses the options of the API for a command that asks no master.</summary>
    public void RefuseOptionsOfApi(CommandResult given)
    {
        foreach (var option in (Option[])[_url, _tokenFile, _json])
        {
            if (given.GetResult(option) is { Implicit: false })
            {
                given.AddError($"{option.Name} is for commands that ask a master; expected --config, for this one writes to etcd");
            }
        }
    }

    /// <summary>An argument that completes with the names of jobs.</summary>
    public Argument<string> Job(string name = "job") => WithJobs(new Argument<string>(name) { Description = "The job's name" });

    public Argument<string[]> Jobs() => WithJobs(new Argument<string[]>("job")
    {
        Description = "The jobs' names", Arity = ArgumentArity.OneOrMore,
    });

    private T WithJobs<T>(T argument)
        where T : Argument
    {
        argument.CompletionSources.Add(NamesOfJobs);
        return argument;
    }

    /// <summary>The words that name a command, such as <c>token create</c>.</summary>
    private static string PathOf(CommandResult command) =>
        command.Parent is CommandResult above ? $"{PathOf(above)} {command.Command.Name}" : "dts-master";

    private ApiClient Open(ParseResult parsed)
    {
        var url = parsed.GetValue(_url) ?? DefaultUrl;
        if (!Uri.TryCreate(url, UriKind.Absolute, out var master) || master.Scheme is not ("http" or "https"))
        {
            throw new CommandFailure(ExitCodes.Usage, $"--url is \"{Display.Line(url)}\"; expected a URL such as {DefaultUrl}");
        }

        return new ApiClient(master, ReadToken(parsed.GetValue(_tokenFile) ?? ""));
    }

    private string ReadToken(string file)
    {
        try
        {
            return (file.Length > 0 ? File.ReadAllText(file) : _environment("DTS_TOKEN") ?? "").Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailure(
                ExitCodes.Usage, $"--token-file {Display.Line(file)} cannot be read: {Terminal.WhyUnreadable(file, failure)}");
        }
    }

    private IEnumerable<CompletionItem> NamesOfJobs(CompletionContext context)
    {
        using var limit = new CancellationTokenSource(CompletesWithin);
        try
        {
            using var api = Open(context.ParseResult);
            var path = ApiClient.Query(ApiClient.Path("jobs"), ("limit", "500"));
            var page = Task.Run(() => api.GetAsync(path, limit.Token)).GetAwaiter().GetResult(); // Completions are not asynchronous.
            return [.. page.List("jobs").Select(job => new CompletionItem(job.Text("name")))];
        }
        catch (Exception failure) when (failure is CommandFailure or OperationCanceledException)
        {
            return []; // A completion reports no errors.
        }
    }
}

/// <summary>One call of a command.</summary>
internal sealed record CommandCall(ParseResult Parsed, ApiClient Api, Terminal Terminal, bool IsJson, CancellationToken Cancel)
{
    public T? Of<T>(Option<T> option) => Parsed.GetValue(option);

    public T Of<T>(Argument<T> argument) => Parsed.GetRequiredValue(argument);

    /// <summary>Prints an answer of the API: as it is with --json, else with <paramref name="show"/>.</summary>
    public int Print(JsonNode answer, Action show, int exitCode = ExitCodes.Done)
    {
        if (IsJson)
        {
            Terminal.Line(answer.ToJsonString(Answers.Compact));
        }
        else
        {
            show();
        }

        return exitCode;
    }
}
