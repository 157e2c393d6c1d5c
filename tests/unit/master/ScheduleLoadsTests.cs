using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class ScheduleLoadsTests : IDisposable
{
    private static readonly LoadQuery Day = new(Some.Now, Some.Now.AddDays(1), TimeSpan.FromMinutes(15), "");

    private readonly ManualTime _time = new();
    private readonly ScheduleLoads _loads;
    private int _computed;

    public ScheduleLoadsTests() => _loads = new ScheduleLoads(_time);

    public void Dispose() => _loads.Dispose();

    [Fact]
    public async Task The_same_question_is_computed_once_in_some_seconds_and_another_one_at_once()
    {
        var first = await GetAsync(Day);
        _time.Advance(ScheduleLoads.KeptFor / 2);
        Assert.Same(first, await GetAsync(Day));
        Assert.Equal(1, _computed);

        await GetAsync(Day with { Filter = "backup" });
        Assert.Equal(2, _computed);

        _time.Advance(ScheduleLoads.KeptFor);
        await GetAsync(Day with { Filter = "backup" });
        Assert.Equal(3, _computed);
    }

    [Fact]
    public async Task A_computation_ends_with_its_request_and_is_not_cached()
    {
        using var request = new CancellationTokenSource();

        await Assert.ThrowsAsync<OperationCanceledException>(() => _loads.GetAsync(
            Day,
            () =>
            {
                request.Cancel();
                return Schedules();
            },
            request.Token));

        Assert.Equal(2, (await GetAsync(Day)).Jobs);
    }

    [Fact]
    public async Task One_computation_goes_on_at_a_time()
    {
        using var begun = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(0);
        var first = Task.Run(() => _loads.GetAsync(
            Day,
            () =>
            {
                begun.Release();
                goOn.Wait();
                return Schedules();
            },
            CancellationToken.None));
        await begun.WaitAsync(Patience.Limit);

        var second = GetAsync(Day with { Filter = "backup" });
        Assert.Equal(0, _computed);
        goOn.Release();
        await Task.WhenAll(first, second).WaitAsync(Patience.Limit);

        Assert.Equal(1, _computed);
    }

    private static List<(JobSchedule Schedule, int Jobs)> Schedules()
    {
        Assert.True(JobSchedule.TryParse(Some.Job("a", "0 * * * *"), CronZone.Utc, out var schedule, out _));
        return [(schedule, 2)];
    }

    private Task<ScheduleLoad> GetAsync(LoadQuery query) => _loads.GetAsync(
        query,
        () =>
        {
            _computed++;
            return Schedules();
        },
        CancellationToken.None);
}
