using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Access;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The state of this master: its version, its default zone, and how quickly etcd and the log store answer.</summary>
internal sealed class StatusApi(EtcdClient etcd, Keys keys, ILogReader store, string defaultZone, TimeProvider time)
{
    // Each open console asks every few seconds.
    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(3);
    private static readonly LogQuery AnyRun = new(Limit: 1);

    private readonly Lock _gate = new();
    private Task<MasterStatus>? _latest;
    private long _askedAt;

    public void Map(RouteGroupBuilder v1) => v1.MapGet("/status", (CancellationToken cancel) => ReadAsync().WaitAsync(cancel))
        .RequireRole(Role.Viewer)
        .WithSummary("This master's version and default time zone, and how quickly etcd and the log store answer it");

    private Task<MasterStatus> ReadAsync()
    {
        lock (_gate)
        {
            if (_latest is null || time.GetElapsedTime(_askedAt) >= KeptFor)
            {
                (_latest, _askedAt) = (AskAsync(), time.GetTimestamp());
            }

            return _latest;
        }
    }

    private async Task<MasterStatus> AskAsync()
    {
        using var late = new CancellationTokenSource(Within, time);
        var etcdAnswers = MeasureAsync(() => etcd.FindAsync(keys.Jobs, cancel: late.Token));
        var storeAnswers = MeasureAsync(() => store.SearchAsync(AnyRun, late.Token));
        return new MasterStatus(Service.Version, defaultZone, await etcdAnswers, await storeAnswers);
    }

    private async Task<AnswerTime> MeasureAsync(Func<Task> ask)
    {
        var begun = time.GetTimestamp();
        try
        {
            await ask();
            return new AnswerTime(Math.Round(time.GetElapsedTime(begun).TotalMilliseconds, 1), null);
        }
        catch (Exception failure) when (failure is EtcdException or LogStoreException)
        {
            return new AnswerTime(null, failure.Message);
        }
        catch (OperationCanceledException)
        {
            return new AnswerTime(null, $"no answer in {Within.TotalSeconds:0} s");
        }
    }
}

/// <param name="TimeZone">The zone of jobs that name none.</param>
internal sealed record MasterStatus(string Version, string TimeZone, AnswerTime Etcd, AnswerTime Log);

/// <param name="AnsweredInMs">Null = it did not answer.</param>
/// <param name="Error">Why not; null = it answered.</param>
internal sealed record AnswerTime(double? AnsweredInMs, string? Error);
