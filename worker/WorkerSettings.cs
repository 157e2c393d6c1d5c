using System.Net;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <param name="WorkerId">Unique in the cluster; the host's name unless set.</param>
/// <param name="DataFolder">The folder of this worker's spool and launch journal; no other worker may use it.</param>
/// <param name="Labels">The labels that a job's target can name.</param>
/// <param name="Slots">How many commands run at a time.</param>
/// <param name="JobUser">The user of commands whose job names none; empty = the worker's own.</param>
/// <param name="RunAs">The users that jobs may name; * = all but root.</param>
/// <param name="CgroupPerRun">Whether runs without limits have a cgroup, too.</param>
/// <param name="SecretsFolder">The folder of the secrets that jobs may name.</param>
/// <param name="ClaimAhead">How long before its plan time a fire is claimed.</param>
/// <param name="DrainTimeout">How long a worker that stops waits for claimed runs to start and, if it drains, for commands to end.</param>
/// <param name="Drain">Whether a worker that stops waits for its commands; otherwise its next process adopts them.</param>
/// <param name="OtlpEndpoint">The OTLP receiver of metrics and spans; null = none.</param>
/// <param name="LogRetention">How long records are kept, unless the job says otherwise.</param>
internal sealed record WorkerSettings(
    string WorkerId,
    string DataFolder,
    IReadOnlyDictionary<string, string> Labels,
    int Slots,
    string JobUser,
    IReadOnlyList<string> RunAs,
    bool CgroupPerRun,
    string SecretsFolder,
    string Shell,
    int OutputLimitBytes,
    long OutputStoreLimitBytes,
    TimeSpan ClaimAhead,
    TimeSpan SessionTtl,
    TimeSpan DrainTimeout,
    bool Drain,
    int LogBatchSize,
    TimeSpan LogCommitTimeout,
    long SpoolQuotaBytes,
    TimeSpan LogRetention,
    CronZone DefaultZone,
    EtcdOptions Etcd,
    Keys Keys,
    LogSettings Log,
    Uri? OtlpEndpoint,
    LogLevel LogLevel)
{
    /// <summary>The settings that a reload changes in a running worker.</summary>
    public static string[] Reloadable { get; } = ["labels", "slots", "logLevel"];

    public EtcdOptions Etcd { get; init; } = Etcd.CallTimeout <= SessionTtl || Etcd.CallTimeout <= EtcdSettings.DefaultCallTimeout
        ? Etcd
        : throw new SettingsException(
            $"settings etcdDialTimeout ({Etcd.CallTimeout.TotalMilliseconds:0} ms) and sessionTtl ({SessionTtl.TotalSeconds:0} s): "
            + "the session would end during one call to etcd; expected an etcdDialTimeout of at most sessionTtl, or 5000 ms");

    public static WorkerSettings Read(SettingsReader settings) => new(
        WorkerId: settings.Text("workerId", Dns.GetHostName(), WorkerRegistration.IsId, WorkerRegistration.ExpectedId),
        DataFolder: settings.Text("dataFolder", "/var/lib/dts/worker", Path.IsPathRooted, "an absolute path"),
        Labels: ReadLabels(settings),
        Slots: settings.Number("slots", 4 * Environment.ProcessorCount, 1, 10_000),
        JobUser: settings.Text("jobUser", "", _ => true, "the name of a user"),
        RunAs: settings.List("runAs", ""),
        CgroupPerRun: settings.Text("cgroupPerRun", "false", text => text is "true" or "false", "true or false") == "true",
        SecretsFolder: settings.Text("secretsFolder", "/etc/dts/secrets", Path.IsPathRooted, "an absolute path"),
        Shell: settings.Text("shell", "/bin/bash", File.Exists, "the path of a shell that exists"),
        OutputLimitBytes: settings.Number("outputLimit", 256 << 10, 1024, 8 << 20),
        OutputStoreLimitBytes: settings.Number("outputStoreLimit", 16 << 20, 0, 1 << 30),
        ClaimAhead: settings.Milliseconds("claimAhead", 1100, min: 100, max: 10_000),
        SessionTtl: settings.Seconds("sessionTtl", 10, min: 2, max: 300),
        DrainTimeout: settings.Seconds("drainTimeout", 60),
        Drain: settings.Flag("drain"),
        LogBatchSize: settings.Number("jobLogBatchSize", 100, 1, 100_000),
        LogCommitTimeout: settings.Milliseconds("jobLogCommitTimeout", 1000),
        SpoolQuotaBytes: (long)settings.Number("spoolQuotaMb", 1024, 1, 1 << 20) << 20,
        LogRetention: TimeSpan.FromDays(settings.Number("logRetentionDays", 30, 1, 36_500)),
        DefaultZone: ZoneSetting.Read(settings),
        Etcd: EtcdSettings.Read(settings),
        Keys: Keys.Read(settings),
        Log: LogSettings.Read(settings),
        OtlpEndpoint: settings.Text("otlpEndpoint", "", IsReceiver, "empty, or an http or https URL such as http://127.0.0.1:4318")
            is { Length: > 0 } receiver ? new Uri(receiver) : null,
        LogLevel: LogLevelSetting.Read(settings));

    private static bool IsReceiver(string text) =>
        text.Length == 0
        || (Uri.TryCreate(text, UriKind.Absolute, out var url)
            && url is { Scheme: "http" or "https", Query: "", Fragment: "", UserInfo: "", Host.Length: > 0 });

    private static Dictionary<string, string> ReadLabels(SettingsReader settings)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in settings.List("labels", ""))
        {
            if (text.Split('=', 2) is not [{ Length: > 0 } name, var value] || !labels.TryAdd(name, value))
            {
                throw settings.Wrong("labels", text, "a list of name=value, each name once");
            }
        }

        return labels;
    }
}
