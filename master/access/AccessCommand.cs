using System.CommandLine;
using System.CommandLine.Invocation;
using System.Globalization;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Master.Jobs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Master.Access;

/// <summary>
/// <c>dts-master user</c> and <c>dts-master token</c>: people and tokens, written to etcd with a master's settings, so that the first admin
/// can be made when nobody may sign in yet.
/// </summary>
internal sealed class AccessCommand(PasswordPrompt prompt, TextWriter output, TextWriter error)
{
    private const string By = "command line";
    private const int Refused = 2;
    private const int WrongUsage = 64;

    private readonly Option<string> _config = new("--config") { Description = "The master's settings file", Recursive = true };
    private readonly Option<string> _role = new("--role") { Description = Roles.Expected, Required = true };
    private readonly Option<string> _newRole = new("--role") { Description = Roles.Expected };
    private readonly Option<string> _filter = new("--filter") { Description = "The jobs to see and act on, such as label:team=pay" };
    private readonly Option<string> _name = new("--name") { Description = $"The token's name: {AccessNames.Expected}", Required = true };
    private readonly Argument<string> _who = new("name") { Description = $"The name: {AccessNames.Expected}" };
    private readonly Option<string> _expires = new("--expires") { Description = "When it ends: 90d, 12h, or a time; never unless given" };
    private readonly Option<bool> _noPassword = new("--no-password") { Description = "The person signs in at a trusted proxy only" };

    /// <summary>A line for each, for the help of the executable.</summary>
    public static string[] Lines { get; } =
    [
        "dts-master user       adds, changes, removes and lists people who may sign in",
        "dts-master token      makes, revokes and lists tokens",
    ];

    public static bool IsMeant(string[] arguments) => arguments is ["user" or "token", ..];

    public async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Root().Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Action is ParseErrorAction)
        {
            foreach (var wrong in parsed.Errors)
            {
                await error.WriteLineAsync(wrong.Message);
            }

            await error.WriteLineAsync($"dts-master {arguments[0]} --help lists what is expected");
            return WrongUsage;
        }

        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false });
        }
        catch (Exception failure) when (failure is EtcdException or FormatException)
        {
            await error.WriteLineAsync(failure.Message);
            return Refused;
        }
    }

    private RootCommand Root() => new("The distributed crontab from the command line")
    {
        _config,
        new Command("user", "People who may sign in")
        {
            Make("add", "Adds a person; the password is asked for", AddPersonAsync, _who, _role, _filter, _noPassword),
            Make("passwd", "Replaces a person's password, and ends their sessions", ChangePasswordAsync, _who),
            Make("set", "Changes role or filter of a person", ChangePersonAsync, _who, _newRole, _filter),
            Make("rm", "Removes a person, and ends their sessions", RemovePersonAsync, _who),
            Make("list", "Lists people", ListPeopleAsync),
        },
        new Command("token", "Tokens of programs and people")
        {
            Make("create", "Makes a token and prints it, this once", AddTokenAsync, _name, _role, _filter, _expires),
            Make("rm", "Revokes a token", RemoveTokenAsync, _who),
            Make("list", "Lists tokens, without their values", ListTokensAsync),
        },
    };

    private Command Make(
        string name, string description, Func<AccessStore, ParseResult, CancellationToken, Task<int>> act, params Symbol[] symbols)
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

        command.SetAction(async (parsed, cancel) =>
        {
            var file = parsed.GetValue(_config);
            var settings = MasterSettings.Read(SettingsReader.Load(file is null ? [] : ["--config", file], "master.json"));
            using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, NullLogger.Instance);
            return await act(new AccessStore(etcd, settings.Keys, TimeProvider.System), parsed, cancel);
        });
        return command;
    }

    private async Task<int> AddPersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var (name, role) = (AccessNames.Check(given.GetRequiredValue(_who)), RoleOf(given.GetRequiredValue(_role)));
        var password = given.GetValue(_noPassword) ? null : prompt.Ask();
        return await store.AddPersonAsync(name, role, given.GetValue(_filter) ?? "", password, By, cancel)
            ? Say($"added {name}, {role.Word()}")
            : Refuse($"name \"{name}\" is a person already; expected another name, or dts-master user set {name}");
    }

    private async Task<int> ChangePasswordAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.ChangePersonAsync(name, null, null, prompt.Ask(), cancel) is null
            ? NoPerson(name)
            : Say($"{name} has a new password; all sessions have ended");
    }

    private async Task<int> ChangePersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        var role = given.GetValue(_newRole) is { } text ? RoleOf(text) : (Role?)null;
        return await store.ChangePersonAsync(name, role, given.GetValue(_filter), null, cancel) is var (_, after)
            ? Say($"{name}: {after.Role}{(after.Filter.Length > 0 ? $", {after.Filter}" : "")}")
            : NoPerson(name);
    }

    private async Task<int> RemovePersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.RemovePersonAsync(name, cancel) ? Say($"removed {name}; all sessions have ended") : NoPerson(name);
    }

    private async Task<int> ListPeopleAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        foreach (var (name, person) in await store.ListPeopleAsync(cancel))
        {
            var signsIn = person.Password is null ? "at a proxy" : "by password";
            Say($"{Display.Line(name),-20} {person.Role,-9} {signsIn,-12} {person.Filter}".TrimEnd());
        }

        return 0;
    }

    private async Task<int> AddTokenAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var (name, role) = (given.GetRequiredValue(_name), RoleOf(given.GetRequiredValue(_role)));
        var endsAt = given.GetValue(_expires) is { } text ? EndOf(text, DateTimeOffset.UtcNow) : (DateTimeOffset?)null;
        return await store.AddTokenAsync(name, role, given.GetValue(_filter) ?? "", endsAt, By, cancel) is { } token
            ? Say(token)
            : Refuse($"name \"{name}\" is a token already; expected another name, or dts-master token rm {name}");
    }

    private async Task<int> RemoveTokenAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.RemoveTokenAsync(name, cancel)
            ? Say($"revoked {name}")
            : Refuse($"name \"{Display.Line(name)}\" is no token; dts-master token list has them");
    }

    private async Task<int> ListTokensAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        foreach (var (name, token) in await store.ListTokensAsync(cancel))
        {
            var ends = token.EndsAt is { } end ? $"ends {end.UtcDateTime:yyyy-MM-dd}" : "never ends";
            Say($"{Display.Line(name),-20} {token.Role,-9} {ends,-16} {token.Filter}".TrimEnd());
        }

        return 0;
    }

    private static Role RoleOf(string text) => Roles.Find(text)
        ?? throw new FormatException($"--role is \"{Display.Line(text)}\"; expected {Roles.Expected}");

    /// <summary>A time, or a number of days or hours from now.</summary>
    private static DateTimeOffset EndOf(string text, DateTimeOffset now) =>
        QueryTime.Parse(text) is { } moment ? moment
        : text is [.. var count, 'd' or 'h'] && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number is > 0 and < 100_000
            ? now + (text[^1] == 'd' ? TimeSpan.FromDays(number) : TimeSpan.FromHours(number))
            : throw new FormatException($"--expires is \"{Display.Line(text)}\"; expected 90d, 12h, or {QueryTime.Expected}");

    private int NoPerson(string name) => Refuse($"name \"{Display.Line(name)}\" is no person; dts-master user list has them");

    private int Say(string line)
    {
        output.WriteLine(line);
        return 0;
    }

    private int Refuse(string line)
    {
        error.WriteLine(line);
        return Refused;
    }
}

/// <summary>Where a password comes from: typed twice without an echo, or the first line of the standard input; never an argument.</summary>
internal sealed class PasswordPrompt(TextReader input, bool isTerminal)
{
    public static PasswordPrompt OfProcess() => new(Console.In, !Console.IsInputRedirected);

    /// <exception cref="FormatException">None was given, or two different ones.</exception>
    public string Ask()
    {
        if (!isTerminal)
        {
            return input.ReadLine() ?? throw new FormatException("standard input has no line; expected a password");
        }

        var password = Read("password: ");
        return Read("again: ") == password ? password : throw new FormatException("the passwords differ; nothing was changed");
    }

    private static string Read(string question)
    {
        Console.Error.Write(question);
        var typed = new System.Text.StringBuilder();
        for (var key = Console.ReadKey(intercept: true); key.Key != ConsoleKey.Enter; key = Console.ReadKey(intercept: true))
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                typed.Length = Math.Max(0, typed.Length - 1);
            }
            else if (key.KeyChar != '\0')
            {
                typed.Append(key.KeyChar);
            }
        }

        Console.Error.WriteLine();
        return typed.ToString();
    }
}
