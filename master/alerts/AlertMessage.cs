using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>A message on its way, or sent: the value of a key under alerts/outbox/ or alerts/recent/.</summary>
/// <param name="Rule">The name of the rule; <see cref="AlertKeys.OfJob"/> = the job's own.</param>
/// <param name="JobName">Empty = it is about a worker.</param>
/// <param name="Worker">Empty = it is about a job.</param>
/// <param name="Text">The rule's own text; empty = the usual sentence.</param>
/// <param name="At">When it was made.</param>
/// <param name="Since">When what it tells of began.</param>
/// <param name="Attempts">How often it was sent in vain.</param>
/// <param name="NotBefore">When it is to be sent again; null = at once.</param>
/// <param name="Answer">What the channel answered last; empty = nothing yet.</param>
/// <param name="DeliveredAt">Null = it has not been delivered.</param>
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

/// <summary>A message as a webhook gets it.</summary>
/// <param name="Id">The same when it is sent again.</param>
/// <param name="Event">failing, recovered, missed, lost, slow, noSuccess, workerGone, ledgerFault; test.</param>
/// <param name="LastLines">The end of the run's output.</param>
/// <param name="Url">Where the console shows it; null = publicUrl is not set.</param>
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
