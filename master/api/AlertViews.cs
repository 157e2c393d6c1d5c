using System.Text.Json.Serialization;
using Dts.Common.Jobs;
using Dts.Master.Alerts;

namespace Dts.Master.Api;

/// <param name="Open">The present faults, the latest first.</param>
/// <param name="Recent">The messages of the last day and those not yet delivered, the latest first; at most 200.</param>
internal sealed record AlertPage(
    IReadOnlyList<AlertView> Open,
    IReadOnlyList<MessageView> Recent,
    IReadOnlyList<AlertMuteView> Mutes,
    IReadOnlyList<ChannelView> Channels);

/// <param name="JobName">Null = it is about a worker.</param>
/// <param name="Times">How many runs in a row had failed when it began.</param>
/// <param name="IsMuted">A mute is in force: no messages are sent.</param>
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
/// <param name="Answer">The latest answer of the channel.</param>
/// <param name="NextTry">Null = it is being sent, or there will be no more tries.</param>
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

/// <param name="To">The host or the addresses that it sends to; empty for callers with a filter.</param>
internal sealed record ChannelView(string Name, string Type, string To);

/// <param name="Delivered">The receiver has accepted it.</param>
/// <param name="Answer">The receiver's answer, or why it could not be reached.</param>
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

/// <param name="Until">Null = until the present faults have ended.</param>
internal sealed record MuteRequest(
    string Filter, [property: JsonConverter(typeof(UtcTime))] DateTimeOffset? Until = null, string Reason = "");
