using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>
/// The log lines of both services; <c>WorkerLog</c> and <c>MasterLog</c> have those of one. Parameters become fields of the journal: RunId
/// is RUN_ID. Ids are unique across all three: 1xx etcd and watch, 2xx schedule, 3xx claim, 4xx run, 5xx record, 6xx http, 9xx process.
/// </summary>
public static partial class Log
{
    [LoggerMessage(101, LogLevel.Warning,
        "etcd is unreachable ({Reason}); nothing new is claimed until it is back, running commands go on")]
    public static partial void EtcdLost(this ILogger log, string reason);

    [LoggerMessage(102, LogLevel.Information, "etcd is back at {Endpoint} after {Seconds:F1} s")]
    public static partial void EtcdBack(this ILogger log, Uri endpoint, double seconds);

    [LoggerMessage(103, LogLevel.Warning, "etcd endpoint {Endpoint} failed ({Reason}); using {Next}")]
    public static partial void EtcdFailover(this ILogger log, Uri endpoint, string reason, Uri next);

    [LoggerMessage(104, LogLevel.Information, "watch of {Prefix} was behind etcd's compaction; {Keys} keys listed again")]
    public static partial void WatchRelisted(this ILogger log, string prefix, int keys);

    [LoggerMessage(105, LogLevel.Warning, "watch of {Prefix} had missed {Changes} changes; they were found by listing and applied")]
    public static partial void WatchRepaired(this ILogger log, string prefix, int changes);

    [LoggerMessage(106, LogLevel.Error,
        "etcd refused this service ({Reason}); check etcdUser, etcdPassword and the rights on the key prefix; trying again")]
    public static partial void EtcdRefused(this ILogger log, string reason);

    [LoggerMessage(107, LogLevel.Error,
        "etcd is out of space ({Reason}): it accepts no new or changed jobs and no starting worker; running workers go on; "
        + "to recover, run in this order: etcdctl compact REVISION, etcdctl defrag on each member, etcdctl alarm disarm")]
    public static partial void EtcdFull(this ILogger log, string reason);

    [LoggerMessage(108, LogLevel.Information, "etcd has space again and accepts writes")]
    public static partial void EtcdTakesWrites(this ILogger log);

    [LoggerMessage(109, LogLevel.Warning,
        "etcd has come back with different data (restored or wiped): the watch of {Prefix} drops its {Former} keys "
        + "and loads the {Keys} keys that etcd has now")]
    public static partial void WatchFoundOtherData(this ILogger log, string prefix, int former, int keys);

    [LoggerMessage(203, LogLevel.Warning, "{Key} has a value that DTS cannot read ({Why}); the value is skipped: delete the key")]
    public static partial void DocumentSkipped(this ILogger log, string key, string why);

    /// <param name="meanwhile">What this service does about it.</param>
    [LoggerMessage(302, LogLevel.Error,
        "this host's clock is {Seconds:F1} s off the other hosts'; {Meanwhile} until it is within {Limit} s: "
            + "check its time service (chronyc tracking)")]
    internal static partial void ClockOff(this ILogger log, double seconds, string meanwhile, double limit);

    [LoggerMessage(303, LogLevel.Information, "this host's clock agrees with the other hosts' again")]
    internal static partial void ClockRight(this ILogger log);

    [LoggerMessage(304, LogLevel.Warning,
        "clocks differ: ours is {Seconds:F1} s ahead of another host's (negative: behind); check the time service of both hosts")]
    internal static partial void ClocksDiffer(this ILogger log, double seconds);

    [LoggerMessage(901, LogLevel.Information, "{Service} {Version} starting with {Settings}")]
    public static partial void Starting(this ILogger log, string service, string version, string settings);

    [LoggerMessage(902, LogLevel.Warning, "there is no setting {Setting}; ignored")]
    public static partial void UnknownSetting(this ILogger log, string setting);

    [LoggerMessage(905, LogLevel.Information, "settings reloaded; applied: {Changed}")]
    public static partial void Reloaded(this ILogger log, string changed);

    [LoggerMessage(906, LogLevel.Warning, "settings changed that only a restart applies: {Changed}")]
    public static partial void RestartNeeded(this ILogger log, string changed);

    [LoggerMessage(907, LogLevel.Error, "{Wrong}; the former settings stay in force")]
    public static partial void ReloadRefused(this ILogger log, string wrong);

    [LoggerMessage(908, LogLevel.Warning,
        "setting {Setting} is a secret and was given as an argument, which every user of this host can read; "
            + "give it as a credential or in the environment")]
    public static partial void SecretExposed(this ILogger log, string setting);

    [LoggerMessage(903, LogLevel.Information, "{Service} stopped")]
    public static partial void Stopped(this ILogger log, string service);
}
