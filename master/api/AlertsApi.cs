using System.ComponentModel;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>Alerts: what is wrong, what was sent, who is told of what, and what is quiet.</summary>
internal sealed class AlertsApi(
    AlertBoard board,
    AlertKeeper keeper,
    AlertSender sender,
    Channels channels,
    ClusterView view,
    EtcdClient etcd,
    AlertKeys keys,
    TimeProvider time)
{
    private const int BodyBytesMax = 64 << 10;
    private const int RecentMax = 200;
    private const int ReasonMax = 1000;
    private const string Json = "application/json";

    private static readonly TimeSpan MuteMax = TimeSpan.FromDays(365);

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/alerts", (HttpContext http) => List(Caller.Of(http)))
            .RequireRole(Role.Viewer)
            .WithSummary("What is wrong now, the messages of the last day, what is quiet, and the channels");

        // A rule names labels, jobs and addresses of others.
        v1.MapGet("/alerts/rules", (HttpContext http) => new AlertRulePage(
            [.. board.Rules.Where(_ => Caller.Of(http).Scope.IsEverything).Select(AlertRuleView.Of)]))
            .RequireRole(Role.Viewer)
            .WithSummary("The rules: what is told about which jobs, and by which channel; none for callers with a filter");

        v1.MapPut("/alerts/rules/{name}", async (
            [Description("The rule's name")] string name, HttpContext http, CancellationToken cancel) =>
        {
            var rule = await ReadAsync(http, AlertJson.Readable.AlertRule, "{channel, filter, on, after, quietSeconds, …}");
            var isNew = (await etcd.FindAsync(keys.Rules + NameOf(name), cancel: cancel)) is null;
            ThrowIfWrong(rule);
            await etcd.PutAsync(
                keys.Rules + name, JsonSerializer.Serialize(rule, AlertJson.Readable.AlertRule), cancel: cancel);
            http.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK;
            return AlertRuleView.Of(name, rule);
        }).RequireRole(Role.Admin).Produces<AlertRuleView>(StatusCodes.Status201Created).WithSummary("Saves a rule");

        v1.MapDelete("/alerts/rules/{name}", async ([Description("The rule's name")] string name, CancellationToken cancel) =>
            (await etcd.DeleteAsync(keys.Rules + NameOf(name), cancel)).Deleted > 0
                ? TypedResults.NoContent()
                : throw Refusal.NotFound($"there is no rule \"{Display.Line(name)}\""))
            .RequireRole(Role.Admin).WithSummary("Deletes a rule");

        v1.MapPost("/alerts/channels/{name}/test", async (
            [Description("The channel's name")] string name, HttpContext http, CancellationToken cancel) =>
            await sender.TestAsync(name, Caller.Of(http).Name, cancel) is { } answer
                ? new ChannelTest(answer.IsTaken, answer.Said)
                : throw Refusal.NotFound($"this master has no channel \"{Display.Line(name)}\"; expected {ExpectedChannel()}"))
            .RequireRole(Role.Admin).WithMetadata(new OwnDeadline()).WithSummary("Sends one message by a channel, and shows the answer");

        v1.MapPost("/alerts/mutes", async (HttpContext http, CancellationToken cancel) =>
        {
            var asked = await ReadAsync(http, ApiJson.Readable.MuteRequest, "{filter, until, reason}");
            var mute = MuteOf(asked, Caller.Of(http));
            var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
            await etcd.PutAsync(keys.Mutes + id, JsonSerializer.Serialize(mute, AlertJson.Readable.AlertMute), cancel: cancel);
            return TypedResults.Created((string?)null, AlertMuteView.Of(id, mute));
        }).RequireRole(Role.Operator).WithSummary("Makes alerts quiet: until a time, or until what is wrong now has ended");

        v1.MapDelete("/alerts/mutes/{id}", async ([Description("The mute's id")] string id, HttpContext http, CancellationToken cancel) =>
        {
            var mute = board.Mutes.FirstOrDefault(mute => mute.Id == id);
            if (mute is null || !MaySee(Caller.Of(http), mute))
            {
                throw Refusal.NotFound($"there is no mute \"{Display.Line(id)}\"");
            }

            await etcd.DeleteAsync(keys.Mutes + id, cancel);
            return TypedResults.NoContent();
        }).RequireRole(Role.Operator).WithSummary("Ends a mute");
    }

    private static string NameOf(string name) =>
        AlertRule.IsName(name) ? name : throw Refusal.BadQuery("name", name, AlertRule.ExpectedName);

    private static async Task<T> ReadAsync<T>(HttpContext http, JsonTypeInfo<T> type, string expected)
        where T : class
    {
        var body = await RequestBody.ReadTypedAsync(http, BodyBytesMax, Json);
        try
        {
            return JsonSerializer.Deserialize(body.Span, type) ?? throw Refusal.Invalid("body", "null", $"an object {expected}");
        }
        catch (JsonException wrong)
        {
            // The message names the member that is not known between quotes.
            var member = wrong.Message.Contains("could not be mapped", StringComparison.Ordinal) ? wrong.Message.Split('\'')[1] : "";
            var place = member.Length > 0 ? member : (wrong.Path ?? "").Replace("$.", "", StringComparison.Ordinal).Split('[')[0];
            throw Refusal.Invalid(
                $"{(place.Length > 0 ? Display.Line(place) : "body")} {(member.Length > 0 ? "is not known" : "cannot be read")}; "
                + $"expected an object {expected}");
        }
    }

    private AlertPage List(Caller caller)
    {
        bool Sees(string job) => job.Length == 0 || caller.Scope.IsEverything
            || view.Ask(state => state.Jobs.Find(job) is { } known && caller.MaySee(known));

        return new AlertPage(
            [
                .. board.States.Where(state => Sees(state.Key.JobName))
                    .SelectMany(state => state.Value.Open.Select(open => AlertView.Of(state.Key, open.Key, open.Value, IsMuted(state.Key))))
                    .OrderByDescending(open => open.Since),
            ],
            [
                .. board.Recent.Concat(board.Unsent).Where(message => Sees(message.JobName))
                    .OrderByDescending(message => message.At).Take(RecentMax).Select(MessageView.Of),
            ],
            [.. board.Mutes.Where(mute => MaySee(caller, mute)).Select(mute => AlertMuteView.Of(mute.Id, mute.Mute))],
            [.. channels.All.OrderBy(channel => channel.Key, StringComparer.Ordinal).Select(channel => new ChannelView(
                channel.Key, channel.Value.Type, caller.Scope.IsEverything ? channel.Value.Shown : ""))]);
    }

    private static bool MaySee(Caller caller, NamedMute mute) => caller.Scope.IsEverything || mute.Mute.By == caller.Name;

    private bool IsMuted(AlertSubject subject) => board.Mutes.Any(mute => mute.Mute.IsOn(time.GetUtcNow()) && keeper.IsOf(mute, subject));

    private void ThrowIfWrong(AlertRule rule)
    {
        if (rule.FindFault(time.GetUtcNow()) is { } fault)
        {
            throw Refusal.Invalid(fault);
        }

        if (!channels.All.ContainsKey(rule.Channel))
        {
            throw Refusal.Invalid("channel", rule.Channel, ExpectedChannel());
        }
    }

    private string ExpectedChannel() => channels.All.Count > 0
        ? $"one of {string.Join(", ", channels.All.Keys.Order(StringComparer.Ordinal))}"
        : "a channel of the file alertChannels, which has none";

    private AlertMute MuteOf(MuteRequest asked, Caller caller)
    {
        var now = time.GetUtcNow();
        var terms = Filter.Parse(asked.Filter, now).Terms;
        var mute = new AlertMute(asked.Filter, asked.Until, caller.Name, asked.Reason, now, caller.Scope.Text);
        var named = new NamedMute("", mute, mute.ReadFilter(now));
        if (!caller.Scope.IsEverything && terms.OfType<FilterTerm.Worker>().FirstOrDefault() is { } word)
        {
            throw new NotAllowedException(
                $"filter has {FilterParser.Quote(word.Word)}, and a filter limits you to jobs; expected words that name jobs");
        }

        if (string.IsNullOrWhiteSpace(asked.Filter))
        {
            throw Refusal.Invalid("filter", asked.Filter, "words that name jobs or workers, such as job:backup or label:team=pay");
        }

        if (asked.Reason.Length > ReasonMax)
        {
            throw Refusal.Invalid($"reason has {asked.Reason.Length} characters; expected at most {ReasonMax}");
        }

        if (asked.Until is { } until && (until <= now || until > now + MuteMax))
        {
            throw Refusal.Invalid("until", $"{until.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}", "a time within the next 365 days");
        }

        return asked.Until is not null || board.States.Any(state => state.Value.Open.Count > 0 && keeper.IsOf(named, state.Key))
            ? mute
            : throw Refusal.Conflict("nothing that matches the filter is wrong now; expected until, a time");
    }
}

/// <param name="Open">What is wrong now, the latest first.</param>
/// <param name="Recent">The messages of the last day and those on their way, the latest first; at most 200.</param>
internal sealed record AlertPage(
    IReadOnlyList<AlertView> Open,
    IReadOnlyList<MessageView> Recent,
    IReadOnlyList<AlertMuteView> Mutes,
    IReadOnlyList<ChannelView> Channels);

/// <param name="JobName">Null = it is about a worker.</param>
/// <param name="Times">How many runs in a row had failed when it began.</param>
/// <param name="IsMuted">No message is made now.</param>
internal sealed record AlertView(
    AlertEvent What,
    string Rule,
    string? JobName,
    string? Worker,
    DateTimeOffset Since,
    string Reason,
    string RunId,
    int Times,
    string LastLine,
    bool IsMuted)
{
    public static AlertView Of(AlertSubject subject, AlertEvent what, OpenAlert open, bool isMuted) => new(
        what, subject.Rule, subject.JobName.Length > 0 ? subject.JobName : null, subject.Worker.Length > 0 ? subject.Worker : null,
        open.Since, open.Reason, open.RunId, open.Times, open.LastLine, isMuted);
}

/// <param name="DeliveredAt">Null = it has not been delivered.</param>
/// <param name="Answer">What the channel said last.</param>
/// <param name="NextTry">Null = it is on its way, or nothing more is tried.</param>
internal sealed record MessageView(
    string Id,
    AlertEvent What,
    string Rule,
    string Channel,
    string? JobName,
    string? Worker,
    DateTimeOffset At,
    string RunId,
    string Reason,
    int Attempts,
    DateTimeOffset? DeliveredAt,
    string Answer,
    DateTimeOffset? NextTry)
{
    public static MessageView Of(AlertMessage message) => new(
        message.Id,
        message.What,
        message.Rule,
        message.Channel,
        message.JobName.Length > 0 ? message.JobName : null,
        message.Worker.Length > 0 ? message.Worker : null,
        message.At,
        message.RunId,
        message.Reason,
        message.Attempts,
        message.DeliveredAt,
        message.Answer,
        message.DeliveredAt is null ? message.NotBefore : null);
}

internal sealed record AlertMuteView(string Id, string Filter, DateTimeOffset? Until, string By, string Reason, DateTimeOffset At)
{
    public static AlertMuteView Of(string id, AlertMute mute) =>
        new(id, $"{mute.Filter} {mute.Scope}".TrimEnd(), mute.Until, mute.By, mute.Reason, mute.At);
}

/// <param name="To">The host or the addresses that it leads to; empty for callers with a filter.</param>
internal sealed record ChannelView(string Name, string Type, string To);

/// <param name="Delivered">The other side has taken it.</param>
/// <param name="Answer">What it said, or why it could not be reached.</param>
internal sealed record ChannelTest(bool Delivered, string Answer);

internal sealed record AlertRulePage(IReadOnlyList<AlertRuleView> Rules);

internal sealed record AlertRuleView(
    string Name,
    bool Enabled,
    string Channel,
    string Filter,
    IReadOnlyList<AlertEvent> On,
    int After,
    double SlowFactor,
    int NoSuccessSeconds,
    int QuietSeconds,
    string Text)
{
    public static AlertRuleView Of(NamedRule rule) => Of(rule.Name, rule.Rule);

    public static AlertRuleView Of(string name, AlertRule rule) => new(
        name, rule.Enabled, rule.Channel, rule.Filter, rule.On, rule.After, rule.SlowFactor, rule.NoSuccessSeconds, rule.QuietSeconds,
        rule.Text);
}

/// <param name="Until">Null = until what is wrong now has ended.</param>
internal sealed record MuteRequest(string Filter, DateTimeOffset? Until = null, string Reason = "");
