using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class JobNameTests
{
    [Theory]
    [InlineData("backup")]
    [InlineData("a")]
    [InlineData("备份")]
    [InlineData("резервная копия")]
    [InlineData("with space, \"quotes\" and <tags>")]
    [InlineData("-rf")]
    [InlineData("🕐")]
    public void A_name_may_have_any_letters(string text)
    {
        Assert.True(JobName.TryParse(text, out var name, out var error), error);
        Assert.Equal(text, name.Value);
    }

    [Theory]
    [InlineData("备份 резервная копия 백업 गोपनीय")]
    [InlineData("...")]
    [InlineData("🕐")]
    [InlineData("e\u0301")]
    public void Visible_letters_are_accepted(string text) => Assert.Null(SaveRules.FindConfusing(text));

    [Theory]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData(" ")]
    [InlineData(" a")]
    [InlineData("a\u3000")]
    [InlineData("a\u00a0b")]
    [InlineData("a\u00adb")]
    [InlineData("a\u034fb")]
    [InlineData("a\u115fb")]
    [InlineData("a\u200bb")]
    [InlineData("a\u200db")]
    [InlineData("a\u2060b")]
    [InlineData("\u2800")]
    [InlineData("\u3164")]
    [InlineData("a\ufe0f")]
    [InlineData("\ufeff")]
    [InlineData("\uffa0")]
    [InlineData("a\U000e0041")]
    public void A_confusing_name_is_refused_for_new_jobs_but_still_valid_as_a_key(string text)
    {
        Assert.NotNull(SaveRules.FindConfusing(text));
        Assert.True(JobName.TryParse(text, out _, out var error), error);
    }

    [Theory]
    [InlineData("",        "name is empty; expected 1 to 200 bytes of UTF-8")]
    [InlineData("a/b",     "name \"a/b\" has a '/'; expected any letters without '/'")]
    [InlineData("a\nb",    "name \"a?b\" has a hidden character; expected printable text")]
    [InlineData("a\0",     "name \"a?\" has a hidden character; expected printable text")]
    [InlineData("a\u202eb", "name \"a?b\" has a hidden character; expected printable text")]
    [InlineData("a\u2028b", "name \"a?b\" has a hidden character; expected printable text")]
    [InlineData("\u0085",  "name \"?\" has a hidden character; expected printable text")]
    public void The_refusal_of_a_name_says_why(string text, string error)
    {
        Assert.False(JobName.TryParse(text, out _, out var told));
        Assert.Equal(error, told);
        Assert.Equal(error, Assert.Throws<FormatException>(() => JobName.Parse(text)).Message);
    }

    [Fact]
    public void A_lone_surrogate_is_not_a_name()
    {
        Assert.False(JobName.TryParse("a\ud83d", out _, out var error));
        Assert.EndsWith("is not valid Unicode; expected 1 to 200 bytes of UTF-8", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData('a',  200, true)]
    [InlineData('a',  201, false)]
    [InlineData('份', 66,  true)] // 198 bytes
    [InlineData('份', 67,  false)]
    public void The_limit_counts_bytes_of_UTF8(char letter, int count, bool fits)
    {
        Assert.Equal(fits, JobName.TryParse(new string(letter, count), out _, out var error));
        Assert.True(fits || error.StartsWith("name has 201 bytes of UTF-8; expected at most 200", StringComparison.Ordinal), error);
    }
}
