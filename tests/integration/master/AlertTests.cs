using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Alerts from the ending of a run to the message, with real servers at the other end.</summary>
public sealed class AlertTests : IAsyncLifetime
{
    private const string Secret = "a-secret-of-the-pager";
    private const string Password = "a-password-of-the-mail-server";

    private readonly ScratchFolder _scratch = new();
    private readonly MailServer _mail = new();
    private readonly Dictionary<string, int> _runs = [];
    private WebhookReceiver _hook = null!;
    private MasterProcess _master = null!;

    internal string Executable { get; init; } = Path.Combine(AppContext.BaseDirectory, "dts-master");

    public async ValueTask InitializeAsync()
    {
        _hook = await WebhookReceiver.StartAsync();
        var channels = new JsonObject
        {
            ["pager"] = new JsonObject { ["type"] = "webhook", ["url"] = $"{_hook.Url}/pager?key=in-the-url", ["secret"] = Secret },
            ["chat"] = new JsonObject { ["type"] = "slack", ["url"] = $"{_hook.Url}/slack" },
            ["metadata"] = new JsonObject { ["type"] = "webhook", ["url"] = "http://169.254.169.254/latest" },
            ["ops"] = new JsonObject
            {
                ["type"] = "mail", ["smtp"] = _mail.Address, ["tls"] = "none", ["user"] = "dts", ["password"] = Password,
                ["from"] = "dts@example.com", ["to"] = new JsonArray("ops@example.com", "mara@example.com"),
            },
        };
        await File.WriteAllTextAsync(_scratch.File("channels.json"), channels.ToJsonString());
        _master = new MasterProcess
        {
            Executable = Executable,
            Settings = ["--alertChannels", _scratch.File("channels.json"), "--publicUrl", "https://dts.example.com/"],
        };
        await _master.InitializeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _master.DisposeAsync();
        await _hook.DisposeAsync();
        await _mail.DisposeAsync();
        _scratch.Dispose();
    }

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
        var posts = await _hook.SoonAsync(2, _master.Said);

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
        var posts = await _hook.SoonAsync(2, _master.Said);

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

        await Patience.Until(() => !_mail.Mails.IsEmpty, _master.Said);

        Assert.True(_mail.Mails.TryDequeue(out var mail));
        Assert.Contains("AUTH PLAIN", mail);
        Assert.Contains("RCPT TO:<mara@example.com>", mail);
        Assert.Contains("Subject: [DTS] reports is failing, 2 times in a row", mail);
        Assert.Contains("went wrong", mail);
    }

    [Fact]
    public async Task A_refused_message_is_sent_again_until_it_is_accepted_even_by_another_master()
    {
        await PutRuleAsync("oncall", """{"channel":"pager","on":["failing"]}""");
        await SaveAsync("backup");
        _hook.Answer = (503, "not now");
        await EndAsync("backup", RunStatus.Failed);
        await _hook.SoonAsync(1, _master.Said);
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && (string?)sent["answer"] == "status 503: not now");

        await _master.RestartAsync();
        _hook.Answer = (200, "");
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && sent["deliveredAt"] is not null, seconds: 90);

        Assert.Single(_hook.Posts.Select(post => post.Headers["DTS-Delivery"]).Distinct());
    }

    [Fact]
    public async Task A_message_whose_master_dies_while_sending_is_sent_by_another()
    {
        await PutRuleAsync("oncall", """{"channel":"pager","on":["failing"]}""");
        await SaveAsync("backup");
        var answers = new TaskCompletionSource();
        _hook.Opened = answers.Task;
        await EndAsync("backup", RunStatus.Failed);
        await _hook.SoonAsync(1, _master.Said);

        await _master.KillAsync();
        answers.SetResult();
        await _master.RestartAsync();
        await UntilAsync(async () => await RecentAsync() is [{ } sent] && sent["deliveredAt"] is not null, seconds: 90);

        Assert.Equal(2, _hook.Posts.Count);
        Assert.Single(_hook.Posts.Select(post => post.Headers["DTS-Delivery"]).Distinct());
    }

    [Fact]
    public async Task Runs_that_end_while_no_master_is_up_are_judged_by_the_next_one()
    {
        await PutRuleAsync("oncall", """{"channel":"pager"}""");
        await SaveAsync("backup");
        await SaveAsync("old");
        await EndAsync("old", RunStatus.Failed, hoursAgo: 24);
        await EndAsync("backup", RunStatus.Succeeded);
        var progress = new AlertKeys(_master.Keys).Progress;
        await UntilKeyAsync(progress);

        await _master.KillAsync();
        await EndAsync("backup", RunStatus.Failed);
        await _master.RestartAsync();
        var posts = await _hook.SoonAsync(2, _master.Said);

        Assert.Equal(["failing backup", "failing old"], posts.Select(post => post.Said).Order());
        await AssertQuietAsync(2);
    }

    [Fact]
    public async Task Only_one_of_two_masters_sends()
    {
        var second = new MasterProcess { Beside = _master, Settings = _master.Settings };
        await second.InitializeAsync();
        try
        {
            await PutRuleAsync("oncall", """{"channel":"pager"}""");
            for (var n = 0; n < 10; n++)
            {
                await SaveAsync($"job-{n}");
                await EndAsync($"job-{n}", RunStatus.Failed);
            }

            var posts = await _hook.SoonAsync(10, () => $"{_master.Said()}\n\n{second.Said()}");

            Assert.Equal(Enumerable.Range(0, 10).Select(n => $"failing job-{n}"), posts.Select(post => post.Said).Order());
            await AssertQuietAsync(10);
        }
        finally
        {
            await second.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_plan_time_without_an_ending_makes_a_message()
    {
        var (name, since) = (JobName.Parse("unaccounted"), DateTimeOffset.UtcNow.AddHours(-1));
        await PutRuleAsync("ledger", """{"channel":"pager","filter":"job:unaccounted","on":["ledgerFault"]}""");
        await _master.Etcd.PutAsync(_master.Keys.Job(name), JobJson.ToJson(Some.Job(name.Value, "0 * * * * *")));
        await _master.Etcd.PutAsync(
            _master.Keys.History(name),
            JsonSerializer.Serialize(
                [new ScheduleChange(since, "0 * * * * *", "")], JobsJson.Readable.IReadOnlyListScheduleChange));

        await Patience.Until(() => !_hook.Posts.IsEmpty, _master.Said, TimeSpan.FromSeconds(100));

        var post = Assert.Single(_hook.Posts);
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
        await _master.Etcd.DeleteAsync(_master.Keys.Worker("w7"));
        await _master.Etcd.DeleteAsync(_master.Keys.Worker("w8"));

        await Patience.Until(() => !_hook.Posts.IsEmpty, _master.Said, TimeSpan.FromSeconds(100));
        await RegisterAsync("w7");
        var posts = await _hook.SoonAsync(2, _master.Said);

        Assert.Equal(["workerGone w7", "recovered w7"], posts.Select(post => post.Said));
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
        Assert.Empty(_hook.Posts);

        Assert.Equal(204, (await SendAsync(HttpMethod.Delete, $"mutes/{mute["id"]}")).Status);
        var posts = await _hook.SoonAsync(1, _master.Said);
        Assert.Equal("failing backup", posts[0].Said);
        Assert.Equal(201, (await SendAsync(HttpMethod.Post, "mutes", """{"filter":"job:backup"}""")).Status);
    }

    [Fact]
    public async Task A_channel_can_be_tested_and_the_answer_never_shows_its_secrets()
    {
        _hook.Answer = (418, "short and stout");
        var (_, refused) = await SendAsync(HttpMethod.Post, "channels/pager/test");
        Assert.Equal((false, "status 418: short and stout"), ((bool?)refused!["delivered"], (string?)refused["answer"]));
        _hook.Answer = (200, "");
        var (_, taken) = await SendAsync(HttpMethod.Post, "channels/pager/test");
        Assert.True((bool?)taken!["delivered"]);
        Assert.Equal("test", (string?)_hook.Posts.Last().Json["event"]);
        Assert.Equal(404, (await SendAsync(HttpMethod.Post, "channels/nobody/test")).Status);
        Assert.Contains("it is refused", (string?)(await SendAsync(HttpMethod.Post, "channels/metadata/test")).Body!["answer"]);

        await PutRuleAsync("oncall", """{"channel":"pager"}""");
        var shown = await _master.Http.GetStringAsync("/api/v1/alerts") + await _master.Http.GetStringAsync("/api/v1/alerts/rules")
            + _master.Said();
        Assert.All([Secret, Password, "in-the-url"], secret => Assert.DoesNotContain(secret, shown));
        Assert.Contains("ops@example.com", shown);
    }

    [Theory]
    [InlineData("""{"channel":"nobody"}""",                              "channel is \"nobody\"; expected one of chat, metadata, ops")]
    [InlineData("""{"channel":"pager","on":[]}""",                       "on is empty")]
    [InlineData("""{"channel":"pager","on":["noSuccess"]}""",            "noSuccessSeconds is 0")]
    [InlineData("""{"channel":"pager","after":0}""",                     "after is 0; expected 1 to 20")]
    [InlineData("""{"channel":"pager","filter":"state:failing"}""",      "which does not apply to events")]
    [InlineData("""{"channel":"pager","filter":"ending:failed"}""",      "which does not apply to rules")]
    [InlineData("""{"channel":"pager","on":["burning"]}""",              "expected an object")]
    [InlineData("""{"channel":"pager","shout":true}""",                  "shout")]
    public async Task A_wrong_rule_is_refused(string rule, string why)
    {
        var (status, body) = await SendAsync(HttpMethod.Put, "rules/wrong", rule);

        Assert.Equal(422, status);
        Assert.Contains(why, (string?)body!["detail"]);
    }

    private async Task PutRuleAsync(string name, string rule)
    {
        var (status, body) = await SendAsync(HttpMethod.Put, $"rules/{name}", rule);
        Assert.True(status == 201, body?.ToJsonString());
    }

    private async Task<(int Status, JsonNode? Body)> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, $"/api/v1/alerts/{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        using var answer = await _master.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length > 0 ? JsonNode.Parse(text) : null);
    }

    private async Task<JsonArray> OpenAsync() => JsonNode.Parse(await _master.Http.GetStringAsync("/api/v1/alerts"))!["open"]!.AsArray();

    private async Task<JsonArray> RecentAsync() =>
        JsonNode.Parse(await _master.Http.GetStringAsync("/api/v1/alerts"))!["recent"]!.AsArray();

    private async Task SaveAsync(string name, string labels = "{}", string? alert = null)
    {
        var job = new JsonObject { ["command"] = "true", ["cronExpr"] = "0 0 1 1 *", ["labels"] = JsonNode.Parse(labels) };
        if (alert is not null)
        {
            job["alert"] = JsonNode.Parse(alert);
        }

        var path = $"/api/v1/jobs/{Uri.EscapeDataString(name)}";
        using var answer = await _master.Http.PutAsync(path, new StringContent(job.ToJsonString(), Encoding.UTF8, "application/json"));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await UntilAsync(async () => await EndingsOf(name) is not null); // Its endings are read: what ends now is news.
    }

    private async Task<JsonArray?> EndingsOf(string name)
    {
        var page = await _master.Http.GetStringAsync($"/api/v1/jobs?filter={Uri.EscapeDataString($"job:\"{name}\"")}");
        return JsonNode.Parse(page)!["jobs"]!.AsArray() is [{ } row] ? row["endings"]?.AsArray() : null;
    }

    /// <summary>A run of the job ends, and is in the view unless no master runs.</summary>
    private async Task EndAsync(string name, RunStatus status, string output = "", double hoursAgo = 0)
    {
        var n = _runs[name] = _runs.GetValueOrDefault(name) + 1;
        var ended = DateTimeOffset.UtcNow.AddHours(-hoursAgo);
        var planTime = DateTimeOffset.FromUnixTimeSeconds(ended.ToUnixTimeSeconds() + n);
        var run = RunSpec.Scheduled(planTime);
        var key = _master.Keys.Run(JobName.Parse(name), run.Id);
        await _master.Etcd.PutAsync(
            key, JsonSerializer.Serialize(new ClaimedRun("w1", "1", planTime, run), JobsJson.Readable.ClaimedRun));
        await _master.Etcd.DeleteAsync(key);
        var ms = ended.ToUnixTimeMilliseconds();
        await _master.LogStore.WriteAsync(
            [
                Some.Record(0, name, status, output) with
                {
                    Id = $"{name}/{run.Id}", PlanTime = planTime.ToUnixTimeMilliseconds(), StartTime = ms, EndTime = ms + 1,
                },
            ],
            CancellationToken.None);
        if (_master.IsRunning)
        {
            await UntilAsync(async () => (await EndingsOf(name))?.Count == n);
        }
    }

    private async Task RegisterAsync(string id) => await _master.Etcd.PutAsync(_master.Keys.Worker(id), JsonSerializer.Serialize(
        new WorkerRegistration("h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, Some.Now), JobsJson.Readable.WorkerRegistration));

    private Task UntilWorkersAsync(int count) => UntilAsync(async () =>
        JsonNode.Parse(await _master.Http.GetStringAsync("/api/v1/workers"))!["workers"]!.AsArray().Count == count);

    private Task UntilKeyAsync(string key) => UntilAsync(async () => await _master.Etcd.FindAsync(key) is not null);

    private async Task UntilAsync(Func<Task<bool>> isTrue, int seconds = 30)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var begun = Environment.TickCount64; !await isTrue(); await timer.WaitForNextTickAsync())
        {
            Assert.True(Environment.TickCount64 - begun < seconds * 1000, _master.Said());
        }
    }

    /// <summary>A message about something else comes after all that is to be told, and nothing came in between.</summary>
    private async Task AssertQuietAsync(int posts)
    {
        await PutRuleAsync("last", """{"channel":"pager","filter":"job:last","on":["failing"],"text":"last"}""");
        await SaveAsync("last");
        await EndAsync("last", RunStatus.Failed);
        await Patience.Until(() => _hook.Posts.Any(post => post.Body.Contains("\"last\"", StringComparison.Ordinal)), _master.Said);
        Assert.Equal(posts, _hook.Posts.Count(post => !post.Body.Contains("\"last\"", StringComparison.Ordinal)));
    }
}
