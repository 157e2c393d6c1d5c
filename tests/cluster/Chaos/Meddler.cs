using Dts.Common.Jobs;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Changes, kills and runs jobs through the API of a cluster that is being harmed, and restarts nothing.</summary>
internal sealed class Meddler(ChaosCluster cluster, Action<string> say)
{
    private const int RunsInBurst = 6;

    private readonly HashSet<string> _paused = [];

    public Task ResumeAllAsync() => Task.WhenAll(
        _paused.Select(job => TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job}/resume"))));

    public async Task BurstAsync(Job job)
    {
        say($"{job.Name} run by hand {RunsInBurst} times at once");
        await Task.WhenAll(Enumerable.Range(0, RunsInBurst).Select(_ => TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/run"))));
    }

    public Task MeddleAsync(Job job, int which)
    {
        switch (which % 6)
        {
            case 0:
                say($"{job.Name} edited");
                return TryAsync(() => cluster.SaveAsync(job with { Enabled = !_paused.Contains(job.Name), Description = $"edit {which}" }));
            case 1 when _paused.Remove(job.Name):
                say($"{job.Name} resumed");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/resume"));
            case 1:
                say($"{job.Name} paused");
                _paused.Add(job.Name);
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/pause"));
            case 2:
                say($"{job.Name} deleted and saved again");
                _paused.Remove(job.Name);
                return TryAsync(async () =>
                {
                    await cluster.AskAsync($"/api/v1/jobs/{job.Name}", method: HttpMethod.Delete);
                    await cluster.SaveAsync(job);
                });
            case 3:
                say($"{job.Name} killed");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/kill"));
            case 4:
                say($"{job.Name} given another schedule, and its own again");
                _paused.Remove(job.Name);
                return TryAsync(async () =>
                {
                    await cluster.SaveAsync(job with { CronExpr = "*/7 * * * * *" });
                    await cluster.SaveAsync(job);
                });
            default:
                say($"{job.Name} run by hand");
                return TryAsync(() => cluster.AskAsync($"/api/v1/jobs/{job.Name}/run"));
        }
    }

    /// <summary>A cluster that is being harmed may refuse a request. The refusal is reported, and harmless.</summary>
    public async Task TryAsync(Func<Task> ask)
    {
        try
        {
            await ask();
        }
        catch (Exception refused)
        {
            say($"  refused: {refused.Message}");
        }
    }
}
