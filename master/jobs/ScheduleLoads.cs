using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>Computes loads of schedules one at a time, and keeps the latest for some seconds.</summary>
/// <remarks>
/// Constraint: each job with H has a schedule of its own, so a load may take a core some seconds, and clients may repeat their request.
/// </remarks>
internal sealed class ScheduleLoads(TimeProvider time) : IDisposable
{
    public static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(3);

    private readonly SemaphoreSlim _turn = new(1);
    private Kept? _kept;

    /// <param name="list">Returns the schedules, each with the number of its jobs, if they are needed.</param>
    public async Task<ScheduleLoad> GetAsync(
        LoadQuery query, Func<IReadOnlyCollection<(JobSchedule Schedule, int Jobs)>> list, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            if (_kept is not { } kept || kept.Query != query || time.GetElapsedTime(kept.At) >= KeptFor)
            {
                _kept = kept = new Kept(query, ScheduleLoad.Of(list(), query.From, query.To, query.Step, cancel), time.GetTimestamp());
            }

            return kept.Load;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    /// <param name="At">When it was computed, in the clock's own units.</param>
    private sealed record Kept(LoadQuery Query, ScheduleLoad Load, long At);
}

/// <param name="Filter">The caller's filter as it was written, and the one that limits the caller.</param>
internal sealed record LoadQuery(DateTimeOffset From, DateTimeOffset To, TimeSpan Step, string Filter);
