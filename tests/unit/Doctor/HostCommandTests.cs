using Dts.Common.Doctor;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Doctor;

public sealed class HostCommandTests
{
    [Theory]
    [InlineData("echo one; echo two >&2", 0,   "one\ntwo")]
    [InlineData("(exit 3)",               3,   "")]
    [InlineData("no-such-program-here",   127, "not found")]
    public void It_returns_the_exit_code_and_what_both_outputs_got(string script, int exitCode, string said)
    {
        var answer = HostCommand.Run(script, Patience.Limit);

        Assert.Equal(exitCode, answer.ExitCode);
        Assert.Contains(said, answer.Output);
    }
}
