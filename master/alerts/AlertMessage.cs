using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>A message to send, or sent: the value of a key under alerts/outbox/ or alerts/recent/.</summary>
/// <param name="Rule">The name of the rule; <see cref="AlertKeys.OfJob"/> = the job's own alert.</param>
/// <param name="JobName">Empty = the message is about a worker.</param>
/// <param name="Worker">Empty = the message is about a job.</param>
/// <param name="Text">The rule's own text; empty = the usual sentence.</param>
/// <param name="At">When the message was made.</param>
/// <param name="Since">When the alert was opened.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="NotBefore">The time of the next try; null = now.</param>
/// <param name="Answer">The channel's last answer; empty = none yet.</param>
/// <param name="DeliveredAt">Null = not delivered.</param>
internal sealed record AlertMessage(
    string Id,
    string Rule,
    string Channel,
    AlertEvent What,
    string JobName,
    string Worker,
    DateTimeOffset At,
    DateTimeOffset Since,
    string RunId = "",
    RunStatus? Ending = null,
    string Reason = "",
    int Times = 0,
    string LastLine = "",
    string Text = "",
    int Attempts = 0,
    DateTimeOffset? NotBefore = null,
    string Answer = "",
    DateTimeOffset? DeliveredAt = null);

/// <summary>A message as webhooks receive it.</summary>
/// <param name="Id">The same in every attempt.</param>
/// <param name="Event">failing, recovered, missed, lost, slow, noSuccess, workerGone, ledgerFault; test.</param>
/// <param name="LastLines">The end of the run's output.</param>
/// <param name="Url">The page of the console; null = publicUrl is not set.</param>
internal sealed record AlertNotice(
    string Id,
    string Event,
    string? Job,
    string? Worker,
    string Rule,
    DateTimeOffset At,
    DateTimeOffset Since,
    string? RunId,
    string? Ending,
    int? ExitCode,
    int Times,
    string Reason,
    string LastLine,
    string LastLines,
    string? Url,
    string Text);
