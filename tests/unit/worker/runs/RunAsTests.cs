using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class RunAsTests
{
    [Theory]
    // the setting, the job's user
    [InlineData("nobody",      "nobody")]
    [InlineData("daemon,nobody", "nobody")]
    [InlineData("*",           "nobody")]
    [InlineData("root",        "root")]
    [InlineData("*,root",      "root")]
    public void A_job_runs_as_whom_the_setting_allows(string setting, string user)
    {
        Assert.True(TryFind(Open(setting), user, out var account, out var refusal), refusal);

        Assert.Equal((user, user == "root" ? "/root" : "/"), (account!.Name, account.Home));
    }

    [Theory]
    [InlineData("",        "nobody", "user \"nobody\" is not allowed on worker w1: its setting runAs is \"\"; "
        + "expected that it names nobody")]
    [InlineData("daemon",  "nobody", "user \"nobody\" is not allowed on worker w1: its setting runAs is \"daemon\"; "
        + "expected that it names nobody")]
    [InlineData("nobody",  "root",   "user \"root\" is not allowed on worker w1: its setting runAs is \"nobody\"; "
        + "expected that it names root")]
    [InlineData("*",       "root",   "user \"root\" is not allowed on worker w1: * in its setting runAs does not include root; "
        + "expected that it names root")]
    [InlineData("*",       "no-one", "user \"no-one\" is unknown on the host of worker w1; expected one that getent passwd shows there")]
    [InlineData("*",       "65534",  "user \"65534\" is unknown on the host of worker w1; expected one that getent passwd shows there")]
    public void As_anyone_else_it_does_not(string setting, string user, string refusal)
    {
        Assert.False(TryFind(Open(setting), user, out _, out var said));

        Assert.Equal(refusal, said);
    }

    [Fact]
    public void A_worker_that_has_no_means_to_switch_says_what_is_missing()
    {
        Assert.False(TryFind(Open("nobody", "setpriv is not installed"), "nobody", out _, out var refusal));

        Assert.Equal("user \"nobody\" is out of reach of worker w1: setpriv is not installed", refusal);
    }

    [Fact]
    public void A_job_without_a_user_needs_no_permission()
    {
        Assert.True(Open("", "setpriv is not installed").TryFind(Some.Job(), out var account, out _));

        Assert.Null(account);
    }

    [Theory]
    // jobUser, runAs, the job's user
    [InlineData("nobody", "",       "",       "nobody")]
    [InlineData("nobody", "",       "nobody", "nobody")]
    [InlineData("nobody", "daemon", "daemon", "daemon")]
    [InlineData("nobody", "root",   "root",   "root")]
    public void With_jobUser_set_a_job_without_a_user_runs_as_jobUser(string jobUser, string setting, string user, string account)
    {
        var runAs = new RunAs([setting], "w1", missing: null, UserAccount.Find(jobUser));

        Assert.True(TryFind(runAs, user, out var found, out var refusal), refusal);
        Assert.Equal(account, found!.Name);
    }

    /// <summary>Asks again while the host is too busy to answer in time.</summary>
    private static bool TryFind(RunAs runAs, string user, out UserAccount? account, out string refusal)
    {
        var (found, said) = ((UserAccount?)null, "");
        var isFound = false;
        SpinWait.SpinUntil(
            () =>
            {
                isFound = runAs.TryFind(Some.Job() with { User = user }, out found, out said);
                return !said.Contains("there was no answer within", StringComparison.Ordinal);
            },
            Patience.Limit);
        (account, refusal) = (found, said);
        return isFound;
    }

    private static RunAs Open(string setting, string? missing = null) =>
        new(setting.Split(',', StringSplitOptions.RemoveEmptyEntries), "w1", missing);
}
