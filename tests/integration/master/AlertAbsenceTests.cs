using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Alerts about what does not happen for a while.</summary>
public sealed class AlertAbsenceTests : AlertedMaster
{
    [Fact]
    public async Task A_plan_time_without_an_ending_makes_a_message()
    {
        var (name, since) = (JobName.Parse("unaccounted"), DateTimeOffset.UtcNow.AddHours(-1));
        await PutRuleAsync("ledger", """{"channel":"pager","filter":"job:unaccounted","on":["ledgerFault"]}""");
        await Master.Etcd.PutAsync(Master.Keys.Job(name), JobJson.ToJson(Some.Job(name.Value, "0 * * * * *")));
        await Master.Etcd.PutAsync(
            Master.Keys.History(name),
            JsonSerializer.Serialize(
                [new ScheduleChange(since, "0 * * * * *", "")], JobsJson.Readable.IReadOnlyListScheduleChange));

        await Patience.Until(() => !Hook.Posts.IsEmpty, Master.Said, TimeSpan.FromSeconds(100));

        var post = Assert.Single(Hook.Posts);
        Assert.Equal("ledgerFault unaccounted", post.Said);
        Assert.Contains("no ending", (string?)post.Json["reason"]);
    }

    [Fact]
    public async Task A_worker_that_leaves_makes_a_message_after_a_minute_and_another_when_it_is_back()
    {
        await PutRuleAsync("workers", """{"channel":"pager","filter":"worker:w7","on":["workerGone","recovered"]}""");
        await RegisterAsync("w7");
        await RegisterAsync("w8");
        await UntilWorkersAsync(2);
        await Master.Etcd.DeleteAsync(Master.Keys.Worker("w7"));
        await Master.Etcd.DeleteAsync(Master.Keys.Worker("w8"));

        await Patience.Until(() => !Hook.Posts.IsEmpty, Master.Said, TimeSpan.FromSeconds(100));
        await RegisterAsync("w7");
        var posts = await Hook.SoonAsync(2, Master.Said);

        Assert.Equal(["workerGone w7", "recovered w7"], posts.Select(post => post.Said));
    }

    private async Task RegisterAsync(string id) => await Master.Etcd.PutAsync(Master.Keys.Worker(id), JsonSerializer.Serialize(
        new WorkerRegistration("h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, Some.Now), JobsJson.Readable.WorkerRegistration));

    private Task UntilWorkersAsync(int count) => UntilAsync(async () =>
        JsonNode.Parse(await Master.Http.GetStringAsync("/api/v1/workers"))!["workers"]!.AsArray().Count == count);
}
