using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>A master with channels for alerts, and real servers at the other end.</summary>
public class AlertedMaster : IAsyncLifetime
{
    private protected const string Secret = "a-secret-of-the-pager";
    private protected const string Password = "a-password-of-the-mail-server";

    private readonly ScratchFolder _scratch = new();
    private readonly Dictionary<string, int> _runs = [];

    internal string Executable { get; init; } = Path.Combine(AppContext.BaseDirectory, "dts-master");

    private protected MailServer Mail { get; } = new();

    private protected WebhookReceiver Hook { get; private set; } = null!;

    private protected MasterProcess Master { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Hook = await WebhookReceiver.StartAsync();
        var channels = new JsonObject
        {
            ["pager"] = new JsonObject { ["type"] = "webhook", ["url"] = $"{Hook.Url}/pager?key=in-the-url", ["secret"] = Secret },
            ["chat"] = new JsonObject { ["type"] = "slack", ["url"] = $"{Hook.Url}/slack" },
            ["metadata"] = new JsonObject { ["type"] = "webhook", ["url"] = "http://169.254.169.254/latest" },
            ["startTls"] = new JsonObject
            {
                ["type"] = "mail", ["smtp"] = Mail.Address, ["from"] = "dts@example.com", ["to"] = new JsonArray("ops@example.com"),
            },
            ["ops"] = new JsonObject
            {
                ["type"] = "mail", ["smtp"] = Mail.Address, ["tls"] = "none", ["user"] = "dts", ["password"] = Password,
                ["from"] = "dts@example.com", ["to"] = new JsonArray("ops@example.com", "mara@example.com"),
            },
        };
        await File.WriteAllTextAsync(_scratch.File("channels.json"), channels.ToJsonString());
        Master = new MasterProcess
        {
            Executable = Executable,
            Settings = ["--alertChannels", _scratch.File("channels.json"), "--publicUrl", "https://dts.example.com/"],
        };
        await Master.InitializeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Master.DisposeAsync();
        await Hook.DisposeAsync();
        await Mail.DisposeAsync();
        _scratch.Dispose();
    }

    private protected async Task PutRuleAsync(string name, string rule)
    {
        var (status, body) = await SendAsync(HttpMethod.Put, $"rules/{name}", rule);
        Assert.True(status == 201, body?.ToJsonString());
    }

    internal async Task<(int Status, JsonNode? Body)> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, $"/api/v1/alerts/{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        using var answer = await Master.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length > 0 ? JsonNode.Parse(text) : null);
    }

    internal Task PutInEtcdAsync(string name, string job) => Master.Etcd.PutAsync(Master.Keys.Job(JobName.Parse(name)), job);

    private protected async Task<JsonArray> RecentAsync() =>
        JsonNode.Parse(await Master.Http.GetStringAsync("/api/v1/alerts"))!["recent"]!.AsArray();

    private protected async Task SaveAsync(string name, string labels = "{}", string? alert = null)
    {
        var job = new JsonObject { ["command"] = "true", ["cronExpr"] = "0 0 1 1 *", ["labels"] = JsonNode.Parse(labels) };
        if (alert is not null)
        {
            job["alert"] = JsonNode.Parse(alert);
        }

        var path = $"/api/v1/jobs/{Uri.EscapeDataString(name)}";
        using var answer = await Master.Http.PutAsync(path, new StringContent(job.ToJsonString(), Encoding.UTF8, "application/json"));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await UntilAsync(async () => await EndingsOf(name) is not null); // Its endings are read: what ends now is news.
    }

    private async Task<JsonArray?> EndingsOf(string name)
    {
        var page = await Master.Http.GetStringAsync($"/api/v1/jobs?filter={Uri.EscapeDataString($"job:\"{name}\"")}");
        return JsonNode.Parse(page)!["jobs"]!.AsArray() is [{ } row] ? row["endings"]?.AsArray() : null;
    }

    /// <summary>A run of the job ends, and is in the view unless no master runs.</summary>
    private protected async Task EndAsync(string name, RunStatus status, string output = "", double hoursAgo = 0)
    {
        var n = _runs[name] = _runs.GetValueOrDefault(name) + 1;
        var ended = DateTimeOffset.UtcNow.AddHours(-hoursAgo);
        var planTime = DateTimeOffset.FromUnixTimeSeconds(ended.ToUnixTimeSeconds() + n);
        var run = RunSpec.Scheduled(planTime);
        var key = Master.Keys.Run(JobName.Parse(name), run.Id);
        await Master.Etcd.PutAsync(
            key, JsonSerializer.Serialize(new ClaimedRun("w1", "1", planTime, run), JobsJson.Readable.ClaimedRun));
        await Master.Etcd.DeleteAsync(key);
        var ms = ended.ToUnixTimeMilliseconds();
        await Master.LogStore.WriteAsync(
            [
                Some.Record(0, name, status, output) with
                {
                    Id = $"{name}/{run.Id}", PlanTime = planTime.ToUnixTimeMilliseconds(), StartTime = ms, EndTime = ms + 1,
                },
            ],
            CancellationToken.None);
        if (Master.IsRunning)
        {
            await UntilAsync(async () => (await EndingsOf(name))?.Count == n);
        }
    }

    private protected async Task UntilAsync(Func<Task<bool>> isTrue, int seconds = 30)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var begun = Environment.TickCount64; !await isTrue(); await timer.WaitForNextTickAsync())
        {
            Assert.True(Environment.TickCount64 - begun < seconds * 1000, Master.Said());
        }
    }

    /// <summary>A message about something else comes after all that is to be told, and nothing came in between.</summary>
    private protected async Task AssertQuietAsync(int posts)
    {
        await PutRuleAsync("last", """{"channel":"pager","filter":"job:last","on":["failing"],"text":"last"}""");
        await SaveAsync("last");
        await EndAsync("last", RunStatus.Failed);
        await Patience.Until(() => Hook.Posts.Any(post => post.Body.Contains("\"last\"", StringComparison.Ordinal)), Master.Said);
        Assert.Equal(posts, Hook.Posts.Count(post => !post.Body.Contains("\"last\"", StringComparison.Ordinal)));
    }
}
