using System.Globalization;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Common.Doctor;

/// <summary>Checks of each etcd endpoint, and of the registered workers.</summary>
public static class EtcdChecks
{
    private const string Area = "etcd";
    private const long DefaultQuotaBytes = 2L << 30;

    private static readonly TimeSpan ClockLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan OldestClock = TimeSpan.FromSeconds(20); // Workers write it about every ten seconds.

    public static IEnumerable<Check> Of(EtcdOptions options, Keys keys)
    {
        foreach (var endpoint in options.Endpoints)
        {
            var alone = options with { Endpoints = [endpoint], CallTimeout = TimeSpan.FromSeconds(2.5) };
            yield return new Check(
                Area,
                endpoint.Authority,
                $"systemctl status etcd; etcdctl --endpoints={endpoint} endpoint status (on that host; is its port open to this one?)",
                cancel => LookAsync(alone, keys, cancel));
        }

        yield return new Check("workers", "registrations", "systemctl start etcd (on its members)", async cancel =>
        {
            using var etcd = Connect(options with { CallTimeout = TimeSpan.FromSeconds(2.5) });
            var found = (await etcd.ListAsync(keys.Workers, cancel))
                .Select(pair => (keys.WorkerOf(pair.Key.ToStringUtf8()), WorkerRegistration.Parse(pair.Value.Span), pair.ModRevision));
            return [.. Judge([.. found], DateTimeOffset.UtcNow)];
        });
    }

    /// <remarks>
    /// An old time in a registration proves a wrong clock only if an earlier revision has a later time. Otherwise the worker may have
    /// stopped writing: it is stalled, or etcd accepts no writes.
    /// </remarks>
    /// <param name="workers">Each worker with the revision of its registration.</param>
    internal static IEnumerable<Finding> Judge(
        IReadOnlyList<(string Id, WorkerRegistration? Registration, long Revision)> workers, DateTimeOffset now)
    {
        var off = workers
            .Where(worker => worker.Registration is { } it
                && it.Clock != default
                && (it.Clock - now > ClockLimit || now - it.Clock > OldestClock))
            .ToList();
        foreach (var (id, registration, revision) in off)
        {
            var clock = registration!.Clock;
            yield return clock > now || workers.Any(other => other.Revision < revision && other.Registration?.Clock > clock + ClockLimit)
                ? Finding.Warning(
                    "workers",
                    $"{id} wrote its time {(clock - now).TotalSeconds:+0;-0} s from this host's clock",
                    "chronyc tracking (on both hosts)")
                : Finding.Warning(
                    "workers",
                    $"{id} has not renewed its registration for {(now - clock).TotalSeconds:0} s, if its clock is right",
                    "journalctl -u dts-worker -n 20 (on its host: is it stalled, and can it write to etcd?); chronyc tracking");
        }

        foreach (var (id, registration, _) in workers.Where(worker => worker.Registration is { Refuses.Length: > 0 }))
        {
            yield return Finding.Error("workers", $"{id} claims nothing: {registration!.Refuses}", "chronyc makestep (on that host)");
        }

        yield return workers.Count == 0
            ? Finding.Warning("workers", "none is registered", "systemctl start dts-worker (on its host)")
            : Finding.Ok("workers", $"{workers.Count} registered{(off.Count == 0 ? ", clocks agree with this host's" : "")}");
    }

    /// <summary>Judges the status that a member reports.</summary>
    /// <param name="isRestricted">A user is set, so etcd's own rights matter.</param>
    internal static IEnumerable<Finding> Judge(StatusResponse status, Uri endpoint, double latencyMs, bool isRestricted)
    {
        var name = endpoint.Authority;
        var quota = status.DbSizeQuota > 0 ? status.DbSizeQuota : DefaultQuotaBytes;
        var ctl = $"etcdctl --endpoints={endpoint}";
        if (status.Leader == 0)
        {
            yield return Finding.Error(
                Area, $"{name} has no leader: the cluster has lost its quorum", "systemctl start etcd (on the other members)");
        }

        foreach (var alarm in status.Errors)
        {
            yield return Finding.Error(
                Area,
                $"{name} has raised an alarm: {alarm.Trim()}{(IsFull(alarm) ? "; its quota is used up, and it accepts no writes" : "")}",
                $"{ctl} compact {status.Header?.Revision}; {ctl} defrag; {ctl} alarm disarm");
        }

        if (status.DbSize > quota / 10 * 8)
        {
            yield return Finding.Warning(
                Area,
                $"{name} uses {Mb(status.DbSize)} of its quota of {Mb(quota)}; above it etcd accepts no writes",
                $"{ctl} compact {status.Header?.Revision}; {ctl} defrag");
        }

        var isOld = !IsRecommended(status.Version);
        if (isOld && isRestricted)
        {
            yield return Finding.Warning(
                Area,
                $"{name} has version {status.Version}, in which a transaction can bypass the rights of a user (CVE-2026-33343)",
                "upgrade etcd to 3.5.33, 3.6.14, 3.7.1 or later");
        }

        var advice = isOld && !isRestricted ? " (3.5.33 or later is better)" : "";
        var leader = status.Leader == status.Header?.MemberId ? ", leader" : "";
        yield return Finding.Ok(Area, string.Create(
            CultureInfo.InvariantCulture, $"{name} {status.Version}{advice}, {latencyMs:F1} ms{leader}, {Mb(status.DbSize)}"));
    }

    private static bool IsFull(string alarm) => alarm.Contains("NOSPACE", StringComparison.Ordinal);

    internal static bool IsRecommended(string version) => Version.TryParse(version.Split('-')[0], out var it) && (it.Major, it.Minor) switch
    {
        (3, 5) => it.Build >= 33,
        (3, 6) => it.Build >= 14,
        (3, 7) => it.Build >= 1,
        _ => it > new Version(3, 7),
    };

    private static async Task<IReadOnlyList<Finding>> LookAsync(EtcdOptions options, Keys keys, CancellationToken cancel)
    {
        using var etcd = Connect(options);
        var status = await etcd.StatusAsync(cancel);
        var sentAt = TimeProvider.System.GetTimestamp();
        // A read of one key through the leader needs a quorum.
        await etcd.FindAsync(keys.Jobs, cancel: cancel);
        var latencyMs = TimeProvider.System.GetElapsedTime(sentAt).TotalMilliseconds;
        return [.. Judge(status, options.Endpoints[0], latencyMs, options.User is not null)];
    }

    private static EtcdClient Connect(EtcdOptions options) => new(options, TimeProvider.System, NullLogger.Instance);

    private static string Mb(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB");
}
