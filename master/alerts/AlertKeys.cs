using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>A job or a worker under one rule: a key under alerts/state/.</summary>
/// <param name="Rule">The name of a rule, or <see cref="AlertKeys.OfJob"/>.</param>
internal readonly record struct AlertSubject(string Rule, string JobName, string Worker)
{
    public static AlertSubject ForJob(string rule, string name) => new(rule, name, "");

    public static AlertSubject ForWorker(string rule, string id) => new(rule, "", id);
}

/// <summary>The keys under alerts/; see <see cref="Keys"/>.</summary>
/// <remarks>
/// <code>
/// rules/{name}                    which jobs or workers are watched, JSON                                 no lease
/// state/{rule}/job:{name}         the open alerts of a job, JSON                      none; a day if nothing is open
/// state/{rule}/worker:{id}        the open alerts of a worker, JSON
/// outbox/{id}                     a message to send, JSON                                                 no lease
/// sending/{id}                    the master that sends it now                                        under a minute
/// recent/{id}                     a message that was sent, JSON                                              a day
/// mutes/{id}                      what makes no messages, JSON                                            no lease
/// ledger                          when a master last checked the ledger of all jobs                       no lease
/// progress                        up to when endings have been judged, JSON                               no lease
/// </code>
/// </remarks>
internal sealed class AlertKeys(Keys keys)
{
    /// <summary>Stands for the alert that a job defines itself.</summary>
    public const string OfJob = "@job";

    private const string JobPart = "job:";
    private const string WorkerPart = "worker:";

    public string All { get; } = keys.AllAlerts;

    public string Rules { get; } = keys.AllAlerts + "rules/";

    public string States { get; } = keys.AllAlerts + "state/";

    public string Outbox { get; } = keys.AllAlerts + "outbox/";

    public string Sending { get; } = keys.AllAlerts + "sending/";

    public string Recent { get; } = keys.AllAlerts + "recent/";

    public string Mutes { get; } = keys.AllAlerts + "mutes/";

    public string Ledger { get; } = keys.AllAlerts + "ledger";

    public string Progress { get; } = keys.AllAlerts + "progress";

    public string State(AlertSubject subject) =>
        $"{States}{subject.Rule}/" + (subject.JobName.Length > 0 ? JobPart + subject.JobName : WorkerPart + subject.Worker);

    /// <summary>The subject of a key under state/; null = DTS did not write the key.</summary>
    public AlertSubject? SubjectOf(string key) => key[States.Length..].Split('/', 2) is not [var rule, var about] ? null
        : about.StartsWith(JobPart, StringComparison.Ordinal) ? AlertSubject.ForJob(rule, about[JobPart.Length..])
        : about.StartsWith(WorkerPart, StringComparison.Ordinal) ? AlertSubject.ForWorker(rule, about[WorkerPart.Length..])
        : null;
}
