using Dts.Common.Logs;
using Xunit;

namespace Dts.Tests.Unit.Logs;

public sealed class LastLineTests
{
    [Theory]
    [InlineData("",                          "")]
    [InlineData(" \n\t\r\n",                 "")]
    [InlineData("one",                       "one")]
    [InlineData("one\ntwo\n\n  \n",          "two")]
    [InlineData("one\r\n  two  \r\n",        "two")]
    [InlineData("10 %\r20 %\r",              "20 %")]                 // A progress bar.
    [InlineData("\u001b[31mred\u001b[0m\n",  "␛[31mred␛[0m")]
    [InlineData("a\tb\0c\u007f",             "a␉b␀c␡")]
    [InlineData("abc\u202Efdp.exe\u0085",     "abc\uFFFDfdp.exe")]     // It would be read backwards.
    public void The_last_line_that_is_not_empty_is_shown_with_symbols_for_controls(string output, string expected) =>
        Assert.Equal(expected, LastLine.Of(output));

    [Fact]
    public void A_long_line_is_cut_and_never_within_a_character()
    {
        var exact = new string('x', LastLine.Longest);
        var clocks = string.Concat(Enumerable.Repeat("🕐", 150));

        Assert.Equal(exact, LastLine.Of($"one\n{exact}"));
        Assert.Equal(new string('x', LastLine.Longest - 1) + "…", LastLine.Of($"one\n{exact}x"));
        Assert.Equal(string.Concat(Enumerable.Repeat("🕐", 99)) + "…", LastLine.Of(clocks));
    }

    [Fact]
    public void A_lone_surrogate_is_shown_as_a_replacement_character() =>
        Assert.Equal("half \uFFFD", LastLine.Of("half \ud83d")); // InlineData takes no such text.

    [Fact]
    public void Only_the_end_of_the_output_is_searched() =>
        Assert.Equal("", LastLine.Of("one\n" + new string('\n', LastLine.SoughtIn)));
}
