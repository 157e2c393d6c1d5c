using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>A job or a worker, as one rule sees it: a key under alerts/state/.</summary>
/// <param name="Rule">The name of a rule, or <see cref="AlertKeys.OfJob"/>.</param>
internal readonly record struct AlertSubject(string Rule, string JobName, string Worker)
{
    public static AlertSubject Job(string rule, string name) => new(rule, name, "");

    public static AlertSubject OfWorker(string rule, string id) => new(rule, "", id);
}

/// <summary>The keys under alerts/; see <see cref="Keys"/>.</summary>
/// <remarks>
/// <code>
/// rules/{name}                    what is told about which jobs, JSON                                     no lease
/// state/{rule}/job:{name}         what is wrong with a job, JSON                        none, a day when nothing is
/// state/{rule}/worker:{id}        the same of a worker
/// outbox/{id}                     a message to be sent, JSON                                              no lease
/// sending/{id}                    the master that sends it now                                        under a minute
/// recent/{id}                     a message that was sent, JSON                                              a day
/// mutes/{id}                      for what no message is made, JSON                      none, or until it is over
/// ledger                          when a master last looked into the ledger of all jobs                   no lease
/// progress                        up to when endings have been judged, JSON                               no lease
/// </code>
/// </remarks>
internal sealed class AlertKeys(Keys keys)
{
    /// <summary>Stands for the rule that a job has itself.</summary>
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

    /// <summary>Null = DTS did not write the key.</summary>
    public AlertSubject? SubjectOf(string key) => key[States.Length..].Split('/', 2) is not [var rule, var about] ? null
        : about.StartsWith(JobPart, StringComparison.Ordinal) ? AlertSubject.Job(rule, about[JobPart.Length..])
        : about.StartsWith(WorkerPart, StringComparison.Ordinal) ? AlertSubject.OfWorker(rule, about[WorkerPart.Length..])
        : null;
}
