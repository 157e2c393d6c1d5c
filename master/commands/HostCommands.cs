using System.CommandLine;
using Dts.Common.Doctor;

namespace Dts.Master.Commands;

/// <summary>
/// What <c>doctor</c> and <c>ledger --job</c> take besides: the master's settings. The executable carries both out before this command
/// line reads anything; here they are completed, and <c>ledger --help</c> lists them.
/// </summary>
internal sealed class HostCommands(Func<IReadOnlyDictionary<string, string>> settings)
{
    public Command Doctor { get; } = new(DoctorCommand.Name, DoctorCommand.Purpose);

    /// <summary>Adds the options; only a command that is carried out or completed needs them.</summary>
    public void Complete(Command ledger)
    {
        ledger.Add(Make("--job", "The job, read from etcd and the log without a master", ""));
        foreach (var command in new[] { ledger, Doctor })
        {
            command.Add(Make("--config", "A file with settings (JSON)", "master.json, if it exists"));
            foreach (var (name, value) in settings())
            {
                command.Add(Make($"--{name}", "A setting of the master", value));
            }
        }
    }

    private static Option<string> Make(string name, string description, string value)
    {
        var option = new Option<string>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(given =>
        {
            if (!given.Implicit)
            {
                given.AddError($"{name} needs --job, which asks etcd and the log; expected --url to ask a master");
            }
        });
        return option;
    }
}
