using System.ComponentModel;
using System.Security.Cryptography;
using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Jobs;
using Dts.Master.Views;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>Alerts: the present faults, the messages sent, the rules, and the mutes.</summary>
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
    private const string Which = "words that name jobs or workers, such as job:backup or label:team=pay";
    private const string Seconds = "a whole number of seconds";

    private static readonly TimeSpan MuteMax = TimeSpan.FromDays(365);

    private static readonly Dictionary<string, string> RuleMembers = new()
    {
        ["channel"] = "a channel of the file alertChannels",
        ["filter"] = Which,
        ["on"] = $"a list of {string.Join(", ", Enum.GetValues<AlertEvent>().Select(AlertText.WordOf))}",
        ["after"] = "a whole number",
        ["slowFactor"] = "a number",
        ["noSuccessSeconds"] = Seconds,
        ["quietSeconds"] = Seconds,
        ["text"] = "a text",
        ["enabled"] = "true or false",
    };

    private static readonly Dictionary<string, string> MuteMembers = new()
    {
        ["filter"] = Which, ["until"] = QueryTime.Expected, ["reason"] = "a text",
    };

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/alerts", (HttpContext http) => List(Caller.Of(http)))
            .RequireRole(Role.Viewer)
            .WithSummary("The present faults, the messages of the last day, the mutes, and the channels");

        // A rule may name jobs and addresses that a caller with a filter must not see.
        v1.MapGet("/alerts/rules", (HttpContext http) => new AlertRulePage(
            [.. board.Rules.Where(_ => Caller.Of(http).Scope.IsEverything).Select(AlertRuleView.Of)]))
            .RequireRole(Role.Viewer)
            .WithSummary("The rules: which jobs are reported, for what, and to which channel; none for callers with a filter");

        v1.MapPut("/alerts/rules/{name}", SaveRuleAsync).RequireRole(Role.Admin)
            .Produces<AlertRuleView>(StatusCodes.Status201Created).WithSummary("Saves a rule");

        v1.MapDelete("/alerts/rules/{name}", async ([Description("The rule's name")] string name, CancellationToken cancel) =>
        {
            var isRemoved = (await etcd.DeleteAsync(keys.Rules + NameOf(name), cancel)).Deleted > 0;
            await board.WaitForOwnWriteAsync(known => known.Rules.All(rule => rule.Name != name), cancel);
            return isRemoved ? TypedResults.NoContent() : throw Refusal.NotFound($"there is no rule \"{Display.Line(name)}\"");
        })
            .RequireRole(Role.Admin).WithSummary("Deletes a rule");

        v1.MapPost("/alerts/channels/{name}/test", async (
            [Description("The channel's name")] string name, HttpContext http, CancellationToken cancel) =>
            await sender.TestAsync(name, Caller.Of(http).Name, cancel) is { } answer
                ? new ChannelTest(answer.IsTaken, answer.Said)
                : throw Refusal.NotFound($"this master has no channel \"{Display.Line(name)}\"; expected {channels.FindExpected(name)}"))
            .RequireRole(Role.Admin).WithMetadata(new OwnDeadline()).WithSummary("Sends one message by a channel, and shows the answer");

        v1.MapPost("/alerts/mutes", MuteAsync).RequireRole(Role.Operator)
            .WithSummary("Mutes alerts until a time, or until the present faults have ended");

        v1.MapDelete("/alerts/mutes/{id}", async ([Description("The mute's id")] string id, HttpContext http, CancellationToken cancel) =>
        {
            var mute = board.MutesOn(time.GetUtcNow()).FirstOrDefault(mute => mute.Id == id);
            if (mute is null || !MaySee(Caller.Of(http), mute))
            {
                throw Refusal.NotFound($"there is no mute \"{Display.Line(id)}\"");
            }

            await etcd.DeleteAsync(keys.Mutes + id, cancel);
            await board.WaitForOwnWriteAsync(known => known.Mutes.All(mute => mute.Id != id), cancel);
            return TypedResults.NoContent();
        }).RequireRole(Role.Operator).WithSummary("Ends a mute");
    }

    private async Task<AlertRuleView> SaveRuleAsync(
        [Description("The rule's name")] string name, HttpContext http, CancellationToken cancel)
    {
        var rule = await JsonBody.ReadAsync(http, BodyBytesMax, AlertJson.Readable.AlertRule, "channel", RuleMembers);
        var isNew = (await etcd.FindAsync(keys.Rules + NameOf(name), cancel: cancel)) is null;
        ThrowIfWrong(rule);
        var saved = await etcd.PutAsync(keys.Rules + name, JsonSerializer.Serialize(rule, AlertJson.Readable.AlertRule), cancel: cancel);
        await board.WaitForOwnWriteAsync(known => known.RevisionOfRule(name) >= saved.Header.Revision, cancel);
        http.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        return AlertRuleView.Of(name, rule);
    }

    private async Task<Created<AlertMuteView>> MuteAsync(HttpContext http, CancellationToken cancel)
    {
        var asked = await JsonBody.ReadAsync(http, BodyBytesMax, ApiJson.Readable.MuteRequest, "filter", MuteMembers);
        var mute = MuteOf(asked, Caller.Of(http));
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        await etcd.PutAsync(keys.Mutes + id, JsonSerializer.Serialize(mute, AlertJson.Readable.AlertMute), cancel: cancel);
        await board.WaitForOwnWriteAsync(known => known.Mutes.Any(made => made.Id == id), cancel);
        return TypedResults.Created((string?)null, AlertMuteView.Of(id, mute));
    }

    private static string NameOf(string name) =>
        AlertRule.IsName(name) ? name : throw Refusal.BadQuery("name", name, AlertRule.ExpectedName);

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
            [.. board.MutesOn(time.GetUtcNow()).Where(mute => MaySee(caller, mute)).Select(mute => AlertMuteView.Of(mute.Id, mute.Mute))],
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

        if (channels.FindExpected(rule.Channel) is { } expected)
        {
            throw Refusal.Invalid("channel", rule.Channel, expected);
        }
    }

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
            throw Refusal.Invalid("filter", asked.Filter, Which);
        }

        if (asked.Reason.Length > ReasonMax)
        {
            throw Refusal.Invalid($"reason has {asked.Reason.Length} characters; expected at most {ReasonMax}");
        }

        if (asked.Until is { } until && (until <= now || until > now + MuteMax))
        {
            throw Refusal.Invalid("until", Cursor.Text(until), "a time within the next 365 days");
        }

        return asked.Until is not null || keeper.IsNeeded(named, orUnread: false)
            ? mute
            : throw Refusal.Conflict("nothing that matches the filter is wrong now; expected until, a time");
    }
}
