using Dts.Common.Doctor;
using Xunit;

namespace Dts.Tests.Unit.Doctor;

public sealed class QuestionTests
{
    [Theory]
    [InlineData("echo one; echo two >&2", 0,   "one\ntwo")]
    [InlineData("(exit 3)",               3,   "")]
    [InlineData("no-such-program-here",   127, "not found")]
    public void The_answer_is_what_was_printed_and_the_exit_code(string script, int exitCode, string said)
    {
        var answer = Question.Ask(script);

        Assert.Equal(exitCode, answer.ExitCode);
        Assert.Contains(said, answer.Output);
    }
}
