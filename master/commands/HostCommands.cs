using System.CommandLine;
using Dts.Common.Doctor;

namespace Dts.Master.Commands;

/// <summary>
/// The options of <c>doctor</c> and <c>ledger --job</c>, for completion and for <c>ledger --help</c>: the master's settings. The executable
/// performs both before this command line parses anything.
/// </summary>
internal sealed class HostCommands(Func<IReadOnlyDictionary<string, string>> settings)
{
    public Command Doctor { get; } = new(DoctorCommand.Name, DoctorCommand.Purpose);

    /// <summary>Adds the options; only a command that is performed or completed needs them.</summary>
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
                given.AddError($"{name} needs --job, which reads etcd and the log; expected --url to ask a master");
            }
        });
        return option;
    }
}
