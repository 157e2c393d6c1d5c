using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Alerts from the ending of a run to the message.</summary>
public sealed class AlertTests : AlertedMaster
{
    [Fact]
    public async Task A_job_that_keeps_failing_makes_one_message_and_its_recovery_another()
    {
        await PutRuleAsync("oncall", """{"channel":"pager","filter":"label:team=data"}""");
        await SaveAsync("backup", """{"team":"data"}""");
        await SaveAsync("other", """{"team":"pay"}""");

        await EndAsync("other", RunStatus.Failed);
        await EndAsync("backup", RunStatus.Failed, "dumping\n<b>no space\u001b[0m left\n");
        await EndAsync("backup", RunStatus.Failed);
        await EndAsync("backup", RunStatus.Succeeded);
        var posts = await Hook.SoonAsync(2, Master.Said);

        Assert.Equal(["failing backup", "recovered backup"], posts.Select(post => post.Said));
        var failing = posts[0];
        Assert.Equal("/pager?key=in-the-url", failing.Path);
        Assert.Equal("went wrong", (string?)failing.Json["reason"]);
        Assert.Equal("dumping\n<b>no space␛[0m left", (string?)failing.Json["lastLines"]);
        Assert.StartsWith("https://dts.example.com/runs/backup/", (string?)failing.Json["url"]);
        Assert.StartsWith("backup is failing: went wrong\n", (string?)failing.Json["text"]);
        Assert.Equal((string?)failing.Json["id"], failing.Headers["DTS-Delivery"]);
        var signature = failing.Headers["DTS-Signature"].Split(',');
        Assert.Equal(
            $"v1={ChatBody.SignWebhook(Secret, long.Parse(signature[0][2..]), Encoding.UTF8.GetBytes(failing.Body))}", signature[1]);
        await AssertQuietAsync(2);
    }

    [Fact]
    public async Task A_chat_is_told_of_missed_and_lost_runs_and_cannot_be_mentioned_by_a_jobs_name()
    {
        await PutRuleAsync("all", """{"channel":"chat","on":["missed","lost"],"text":"{event}: {job} <{reason}>"}""");
        await SaveAsync("a <!channel>");

        await EndAsync("a <!channel>", RunStatus.Missed);
        await EndAsync("a <!channel>", RunStatus.Lost);
        var posts = await Hook.SoonAsync(2, Master.Said);

        Assert.Equal(
            [
                """{"text":"missed: a &lt;!channel&gt; &lt;went wrong&gt;"}""",
                """{"text":"lost: a &lt;!channel&gt; &lt;went wrong&gt;"}""",
            ],
            posts.Select(post => post.Body));
    }

    [Fact]
    public async Task A_job_names_its_own_alert_and_a_mail_is_sent()
    {
        await SaveAsync("reports", alert: """{"channel":"ops","on":["failing"],"after":2}""");
        await EndAsync("reports", RunStatus.Failed);
        await EndAsync("reports", RunStatus.Failed);

        await Patience.Until(() => !Mail.Mails.IsEmpty, Master.Said);

        Assert.True(Mail.Mails.TryDequeue(out var mail));
        Assert.Contains("AUTH PLAIN", mail);
        Assert.Contains("RCPT TO:<mara@example.com>", mail);
        Assert.Contains("Subject: [DTS] reports is failing, 2 times in a row", mail);
        Assert.Contains("went wrong", mail);
    }

    [Fact]
    public async Task Only_one_of_two_masters_sends()
    {
        var second = new MasterProcess { Beside = Master, Settings = Master.Settings };
        await second.InitializeAsync();
        try
        {
            await PutRuleAsync("oncall", """{"channel":"pager"}""");
            for (var n = 0; n < 10; n++)
            {
                await SaveAsync($"job-{n}");
                await EndAsync($"job-{n}", RunStatus.Failed);
            }

            var posts = await Hook.SoonAsync(10, () => $"{Master.Said()}\n\n{second.Said()}");

            Assert.Equal(Enumerable.Range(0, 10).Select(n => $"failing job-{n}"), posts.Select(post => post.Said).Order());
            await AssertQuietAsync(10);
        }
        finally
        {
            await second.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_muted_alert_makes_no_message_until_the_mute_ends_and_the_list_shows_both()
    {
        await PutRuleAsync("oncall", """{"channel":"pager"}""");
        await SaveAsync("backup");
        Assert.Equal(409, (await SendAsync(HttpMethod.Post, "mutes", """{"filter":"job:backup"}""")).Status);
        var (status, mute) = await SendAsync(
            HttpMethod.Post, "mutes", $$"""{"filter":"job:backup","until":"{{DateTime.UtcNow.AddHours(1):O}}","reason":"moving"}""");
        Assert.Equal((201, "local", "moving"), (status, (string?)mute!["by"], (string?)mute["reason"]));

        await EndAsync("backup", RunStatus.Failed);
        await UntilAsync(async () => await OpenAsync() is [{ } open] && (bool?)open["isMuted"] == true);
        Assert.Empty(Hook.Posts);

        Assert.Equal(204, (await SendAsync(HttpMethod.Delete, $"mutes/{mute["id"]}")).Status);
        var posts = await Hook.SoonAsync(1, Master.Said);
        Assert.Equal("failing backup", posts[0].Said);
        Assert.Equal(201, (await SendAsync(HttpMethod.Post, "mutes", """{"filter":"job:backup"}""")).Status);
    }

    [Fact]
    public async Task A_mail_server_without_the_encryption_that_a_channel_asks_for_is_reported_and_delays_no_other_channel()
    {
        await PutRuleAsync("mail", """{"channel":"startTls"}""");
        await PutRuleAsync("hook", """{"channel":"pager"}""");
        await SaveAsync("a");
        await EndAsync("a", RunStatus.Failed);
        await Hook.SoonAsync(1, Master.Said);

        await Patience.Until(
            () => Master.Said().Contains("alerts: channel startTls did not accept a message", StringComparison.Ordinal), Master.Said);
        var (_, test) = await SendAsync(HttpMethod.Post, "channels/startTls/test");
        Assert.Contains("STARTTLS", (string?)test!["answer"]);
    }

    [Fact]
    public async Task A_rule_that_was_switched_off_while_a_job_failed_reports_its_next_failure()
    {
        await PutRuleAsync("hook", """{"channel":"pager"}""");
        await SaveAsync("b");
        await EndAsync("b", RunStatus.Failed);
        await Hook.SoonAsync(1, Master.Said);

        Assert.Equal(200, (await SendAsync(HttpMethod.Put, "rules/hook", """{"channel":"pager","enabled":false}""")).Status);
        await Patience.Until(
            () => JsonNode.Parse(Master.Http.GetStringAsync("/api/v1/alerts").Result)!["open"]!.AsArray().Count == 0, Master.Said);
        Assert.Equal(200, (await SendAsync(HttpMethod.Put, "rules/hook", """{"channel":"pager"}""")).Status);
        await EndAsync("b", RunStatus.Failed);

        await Hook.SoonAsync(2, Master.Said);
    }

    [Fact]
    public async Task A_mute_can_be_ended_as_soon_as_it_is_answered()
    {
        for (var n = 0; n < 20; n++)
        {
            var begun = Environment.TickCount64;
            var (status, mute) = await SendAsync(
                HttpMethod.Post, "mutes", $$"""{"filter":"job:m","until":"{{DateTimeOffset.UtcNow.AddHours(1):O}}"}""");
            Assert.Equal(201, status);
            if (Environment.TickCount64 - begun > 900) // The answer does not wait for long until the watch has the mute.
            {
                await UntilAsync(async () => (await Master.Http.GetStringAsync("/api/v1/alerts")).Contains($"{mute!["id"]}"));
            }

            Assert.Equal(204, (await SendAsync(HttpMethod.Delete, $"mutes/{mute!["id"]}")).Status);
        }
    }

    [Fact]
    public async Task A_channel_can_be_tested_and_the_answer_never_shows_its_secrets()
    {
        Hook.Answer = (418, "short and stout");
        var (_, refused) = await SendAsync(HttpMethod.Post, "channels/pager/test");
        Assert.Equal((false, "status 418: short and stout"), ((bool?)refused!["delivered"], (string?)refused["answer"]));
        Hook.Answer = (200, "");
        var (_, taken) = await SendAsync(HttpMethod.Post, "channels/pager/test");
        Assert.True((bool?)taken!["delivered"]);
        Assert.Equal("test", (string?)Hook.Posts.Last().Json["event"]);
        Assert.Equal(404, (await SendAsync(HttpMethod.Post, "channels/nobody/test")).Status);
        Assert.Contains("it is refused", (string?)(await SendAsync(HttpMethod.Post, "channels/metadata/test")).Body!["answer"]);

        await PutRuleAsync("oncall", """{"channel":"pager"}""");
        var shown = await Master.Http.GetStringAsync("/api/v1/alerts") + await Master.Http.GetStringAsync("/api/v1/alerts/rules")
            + Master.Said();
        Assert.All([Secret, Password, "in-the-url"], secret => Assert.DoesNotContain(secret, shown));
        Assert.Contains("ops@example.com", shown);
    }

    private async Task<JsonArray> OpenAsync() => JsonNode.Parse(await Master.Http.GetStringAsync("/api/v1/alerts"))!["open"]!.AsArray();
}
