using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;

namespace Dts.Tests.Support;

internal static class PreparedCommands
{
    extension(CommandRunner runner)
    {
        /// <summary>Prepares a command with the files that a worker would pass to its holder.</summary>
        public PreparedCommand Prepare(ShellCommand command) => runner.Prepare(command, CommandFiles.Open(command));
    }
}
