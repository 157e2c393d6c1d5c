using System.CommandLine;

namespace Dts.Master.Commands;

/// <summary><c>dts-master completion bash</c>: prints a script with which bash completes commands, options and names of jobs.</summary>
internal static class Completion
{
    private const string Bash =
        """
        # Load it with: source <(dts-master completion bash)
        _dts_master() {
            local current="${COMP_WORDS[COMP_CWORD]}" word
            COMPREPLY=()
            while IFS= read -r word; do
                [[ "$word" == "$current"* ]] && COMPREPLY+=("$(printf %q "$word")")
            done < <("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)
        }
        complete -F _dts_master dts-master
        """;

    public static Command Make(Terminal terminal)
    {
        var shell = new Argument<string>("shell") { Description = "bash" };
        shell.AcceptOnlyFromAmong("bash");
        var command = new Command("completion", "Prints a completion script: source <(dts-master completion bash)") { shell };
        command.SetAction(_ =>
        {
            terminal.Out.WriteLine(Bash);
            return ExitCodes.Done;
        });
        return command;
    }
}
