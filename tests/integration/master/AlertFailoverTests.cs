using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Alerts that one master begins and another one ends.</summary>
public sealed class AlertFailoverTests : AlertedMaster
{
    [Fact]
    public async Task A_refused_message_is_sent_again_until_it_is_accepted_even_by_another_master()
    {
        await PutRuleAsync("oncall", """{"channel":"pager","on":["failing"]}""");
        await SaveAsync("backup");
        Hook.Answer = (503, "not now");
        await EndAsync("backup", RunStatus.Failed);
        await Hook.SoonAsync(1, Master.Said);
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && (string?)sent["answer"] == "status 503: not now");

        await Master.RestartAsync();
        Hook.Answer = (200, "");
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && sent["deliveredAt"] is not null, seconds: 90);

        Assert.Single(Hook.Posts.Select(post => post.Headers["DTS-Delivery"]).Distinct());
    }

    [Fact]
    public async Task A_message_whose_master_dies_while_sending_is_sent_by_another()
    {
        await PutRuleAsync("oncall", """{"channel":"pager","on":["failing"]}""");
        await SaveAsync("backup");
        var answers = new TaskCompletionSource();
        Hook.Opened = answers.Task;
        await EndAsync("backup", RunStatus.Failed);
        await Hook.SoonAsync(1, Master.Said);

        await Master.KillAsync();
        answers.SetResult();
        await Master.RestartAsync();
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && sent["deliveredAt"] is not null, seconds: 90);

        Assert.InRange(Hook.Posts.Count, 2, 3); // Once more if etcd's answer to the note of its delivery was lost.
        Assert.Single(Hook.Posts.Select(post => post.Headers["DTS-Delivery"]).Distinct());
    }

    [Fact]
    public async Task Runs_that_end_while_no_master_is_up_are_judged_by_the_next_one()
    {
        await PutRuleAsync("oncall", """{"channel":"pager"}""");
        await SaveAsync("backup");
        await SaveAsync("old");
        await EndAsync("old", RunStatus.Failed, hoursAgo: 24);
        await EndAsync("backup", RunStatus.Succeeded);
        var progress = new AlertKeys(Master.Keys).Progress;
        await UntilKeyAsync(progress);
        await UntilAsync(async () => (await RecentAsync()).Any(
            sent => (string?)sent!["jobName"] == "old" && sent["deliveredAt"] is not null)); // Or the next master sends it again.

        await Master.KillAsync();
        await EndAsync("backup", RunStatus.Failed);
        await Master.RestartAsync();
        var posts = await Hook.SoonAsync(2, Master.Said);

        Assert.Equal(["failing backup", "failing old"], posts.Select(post => post.Said).Order());
        await AssertQuietAsync(2);
    }

    private Task UntilKeyAsync(string key) => UntilAsync(async () => await Master.Etcd.FindAsync(key) is not null);
}
