using System.CommandLine;
using System.Globalization;
using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Master.Commands;

/// <summary>Commands about people and tokens. They write to etcd themselves, because the first admin cannot sign in yet.</summary>
internal sealed class AccessCommands(CommandLine line)
{
    private const string By = "command line";

    private readonly Option<string> _role = new("--role") { Description = Roles.Expected, Required = true };
    private readonly Option<string> _newRole = new("--role") { Description = Roles.Expected };
    private readonly Option<string> _filter = new("--filter") { Description = "The jobs to see and act on, such as label:team=pay" };
    private readonly Option<string> _name = new("--name") { Description = $"The token's name: {AccessNames.Expected}", Required = true };
    private readonly Argument<string> _who = new("name") { Description = $"The name: {AccessNames.Expected}" };
    private readonly Option<string> _expires = new("--expires") { Description = "When it ends: 90d, 12h, or a time; without it never" };
    private readonly Option<bool> _noPassword = CommandLine.Flag("--no-password", "The person signs in at a trusted proxy only");

    public IEnumerable<Command> All =>
    [
        new("user", "Adds, changes, removes and lists people who may sign in")
        {
            Make("add", "Adds a person; asks for the password", AddPersonAsync, _who, _role, _filter, _noPassword),
            Make("passwd", "Replaces a person's password, and ends their sessions", ChangePasswordAsync, _who),
            Make("set", "Changes a person's role or filter", ChangePersonAsync, _who, _newRole, _filter),
            Make("rm", "Removes a person, and ends their sessions", RemovePersonAsync, _who),
            Make("list", "Lists people", ListPeopleAsync),
        },
        new("token", "Makes, revokes and lists tokens of programs and people")
        {
            Make("create", "Makes a token and prints it, this once", AddTokenAsync, _name, _role, _filter, _expires),
            Make("rm", "Revokes a token", RemoveTokenAsync, _who),
            Make("list", "Lists tokens, without their values", ListTokensAsync),
        },
    ];

    /// <param name="act">Returns the text to print.</param>
    private Command Make(
        string name, string description, Func<AccessStore, ParseResult, CancellationToken, Task<string>> act, params Symbol[] symbols)
    {
        var config = new Option<string>("--config") { Description = "The master's settings file" };
        var command = CommandLine.Build(name, description, [.. symbols, config]);
        command.Validators.Add(line.RefuseOptionsOfApi);
        command.SetAction(async (parsed, cancel) =>
        {
            try
            {
                var file = parsed.GetValue(config);
                var settings = MasterSettings.Read(SettingsReader.Load(file is null ? [] : ["--config", file], "master.json"));
                using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, NullLogger.Instance);
                var said = await act(new AccessStore(etcd, settings.Keys, TimeProvider.System), parsed, cancel);
                if (said.Length > 0)
                {
                    line.Terminal.Line(said);
                }

                return ExitCodes.Done;
            }
            catch (SettingsException wrong)
            {
                throw new CommandFailure(SettingsException.ExitCode, wrong.Message);
            }
            catch (Exception failure) when (failure is EtcdException or FormatException)
            {
                throw new CommandFailure(ExitCodes.Refused, failure.Message);
            }
        });
        return command;
    }

    private async Task<string> AddPersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var (name, role) = (AccessNames.Check(given.GetRequiredValue(_who)), RoleOf(given.GetRequiredValue(_role)));
        var password = given.GetValue(_noPassword) ? null : PasswordPrompt.Ask();
        return await store.AddPersonAsync(name, role, given.GetValue(_filter) ?? "", password, By, cancel)
            ? $"added {name}, {role.Word()}"
            : throw new FormatException($"name \"{name}\" is a person already; expected another name, or dts-master user set {name}");
    }

    private async Task<string> ChangePasswordAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.ChangePersonAsync(name, null, null, PasswordPrompt.Ask(), cancel) is null
            ? throw NoPerson(name)
            : $"{name} has a new password; all sessions have ended";
    }

    private async Task<string> ChangePersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        var role = given.GetValue(_newRole) is { } text ? RoleOf(text) : (Role?)null;
        return await store.ChangePersonAsync(name, role, given.GetValue(_filter), null, cancel) is var (_, after)
            ? $"{name}: {after.Role}{(after.Filter.Length > 0 ? $", {after.Filter}" : "")}"
            : throw NoPerson(name);
    }

    private async Task<string> RemovePersonAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.RemovePersonAsync(name, cancel) ? $"removed {name}; all sessions have ended" : throw NoPerson(name);
    }

    private async Task<string> ListPeopleAsync(AccessStore store, ParseResult given, CancellationToken cancel) => string.Join(
        '\n',
        from entry in await store.ListPeopleAsync(cancel)
        let signsIn = entry.Person.Password is null ? "at a proxy" : "by password"
        select $"{Display.Line(entry.Name),-20} {entry.Person.Role,-9} {signsIn,-12} {entry.Person.Filter}".TrimEnd());

    private async Task<string> AddTokenAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var (name, role) = (given.GetRequiredValue(_name), RoleOf(given.GetRequiredValue(_role)));
        var endsAt = given.GetValue(_expires) is { } text ? EndOf(text, DateTimeOffset.UtcNow) : (DateTimeOffset?)null;
        return await store.AddTokenAsync(name, role, given.GetValue(_filter) ?? "", endsAt, By, cancel)
            ?? throw new FormatException($"name \"{name}\" is a token already; expected another name, or dts-master token rm {name}");
    }

    private async Task<string> RemoveTokenAsync(AccessStore store, ParseResult given, CancellationToken cancel)
    {
        var name = given.GetRequiredValue(_who);
        return await store.RemoveTokenAsync(name, cancel)
            ? $"revoked {name}"
            : throw new FormatException($"name \"{Display.Line(name)}\" is not a token; dts-master token list shows the tokens");
    }

    private async Task<string> ListTokensAsync(AccessStore store, ParseResult given, CancellationToken cancel) => string.Join(
        '\n',
        from entry in await store.ListTokensAsync(cancel)
        let ends = entry.Token.EndsAt is { } end ? $"ends {end.UtcDateTime:yyyy-MM-dd}" : "never ends"
        select $"{Display.Line(entry.Name),-20} {entry.Token.Role,-9} {ends,-16} {entry.Token.Filter}".TrimEnd());

    private static Role RoleOf(string text) => Roles.Find(text)
        ?? throw new FormatException($"--role is \"{Display.Line(text)}\"; expected {Roles.Expected}");

    /// <summary>A time, or a number of days or hours from now.</summary>
    private static DateTimeOffset EndOf(string text, DateTimeOffset now) =>
        QueryTime.Parse(text) is { } moment ? moment
        : text is [.. var count, 'd' or 'h'] && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number is > 0 and < 100_000
            ? now + (text[^1] == 'd' ? TimeSpan.FromDays(number) : TimeSpan.FromHours(number))
            : throw new FormatException($"--expires is \"{Display.Line(text)}\"; expected 90d, 12h, or {QueryTime.Expected}");

    private static FormatException NoPerson(string name) =>
        new($"name \"{Display.Line(name)}\" is not a person; dts-master user list shows the people");
}

/// <summary>Reads a password: typed twice without an echo, or the first line of the standard input; never an argument.</summary>
internal static class PasswordPrompt
{
    /// <exception cref="FormatException">There is none, or the two differ.</exception>
    public static string Ask()
    {
        if (Console.IsInputRedirected)
        {
            return Console.In.ReadLine() ?? throw new FormatException("standard input has no line; expected a password");
        }

        var password = Read("password: ");
        return Read("again: ") == password ? password : throw new FormatException("the passwords differ; nothing was changed");
    }

    private static string Read(string prompt)
    {
        Console.Error.Write(prompt);
        var typed = new StringBuilder();
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
