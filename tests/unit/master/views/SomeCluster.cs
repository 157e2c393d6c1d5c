using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using System.Text.Json;

namespace Dts.Tests.Unit.Master.Views;

/// <summary>A view without etcd and log: tests tell it what changes.</summary>
internal sealed class SomeCluster
{
    private readonly Keys _keys = new(Keys.DefaultPrefix);
    private long _revision;

    public SomeCluster()
    {
        Time.Advance(Some.Now - Time.GetUtcNow());
        State = new ClusterState(_keys, CronZone.Utc, Time);
    }

    public ClusterState State { get; }

    public ManualTime Time { get; } = new();

    /// <summary>Set to a later time: that time passes. Set to an earlier one: the clock is stepped back.</summary>
    public DateTimeOffset Now
    {
        get => Time.GetUtcNow();
        set
        {
            var by = value - Now;
            if (by >= TimeSpan.Zero)
            {
                Time.Advance(by);
            }
            else
            {
                Time.Step(by);
            }
        }
    }

    public void Put(params Job[] jobs) => State.ApplyJobs(jobs.Select(job => Put(_keys.Jobs + job.Name, JobJson.ToJson(job))));

    public void PutRaw(string name, string value) => State.ApplyJobs([Put(_keys.Jobs + name, value)]);

    public void Delete(string name) => State.ApplyJobs([Gone(_keys.Jobs + name)]);

    /// <summary>A run of a job is claimed; it began some time ago.</summary>
    public RunSpec Begin(string job, string worker = "w1", double secondsAgo = 0)
    {
        var run = RunSpec.Scheduled(Now.AddSeconds(-secondsAgo));
        var held = new ClaimedRun(worker, "1", run.PlanTime.AddSeconds(-1), run);
        ApplyRuns(Put(_keys.AllRuns + $"{job}/{run.Id}", JsonSerializer.Serialize(held, JobsJson.Readable.ClaimedRun)));
        return run;
    }

    /// <summary>A run is gone from etcd.</summary>
    public void End(string job, string runId) => ApplyRuns(Gone(_keys.AllRuns + $"{job}/{runId}"));

    public RunSpec Queue(string job, string cause = "")
    {
        var run = new RunSpec(Now, RunSpec.Manual, Now, Origin: "manual-1", Cause: cause);
        State.ApplyQueue(
            new ChangeBatch(
                [Put(_keys.AllQueued + $"{job}/{run.Id}", JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec))], false, true),
            (_, _) => { });
        return run;
    }

    /// <summary>An ending without a run was decided, and its record is on its way.</summary>
    public void Owe(string job, string runId) =>
        State.ApplyOwed(new ChangeBatch([Gone(_keys.AllOwed + $"{job}/{runId}")], false, true));

    public void AskKill(string job, string runId = "") =>
        State.ApplyKills([Put(_keys.Killers + job + (runId.Length > 0 ? $"/{runId}" : ""), "")]);

    public void Register(
        string id, string refuses = "", int slots = 4, WorkerFigures? figures = null, string drain = "") => Apply(
            Put(
                _keys.Workers + id,
                JsonSerializer.Serialize(
                    new WorkerRegistration(
                        "h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), slots, Now, Refuses: refuses, Figures: figures, Drain: drain),
                    JobsJson.Readable.WorkerRegistration)));

    public void Leave(string id) => Apply(Gone(_keys.Workers + id));

    /// <summary>The log answers the question that is due, which is asked for jobs, with these runs.</summary>
    public void Load(params EndedRun[] runs)
    {
        while (State.EndingQueries.Next() is { } question)
        {
            State.Endings.Take(question, runs);
        }
    }

    /// <summary>A job's runs ended so, one a minute, the latest a minute ago; each took as many seconds as its number.</summary>
    public EndedRun[] Ended(string job, params RunStatus[] statuses) =>
        [.. statuses.Select((status, n) => Ended(job, status, Now.AddMinutes(n - statuses.Length), n + 1))];

    public static EndedRun Ended(string job, RunStatus status, DateTimeOffset planTime, double seconds = 1, string worker = "w1") => new(
        job,
        RunId.Of(planTime),
        status,
        planTime.ToUnixTimeMilliseconds(),
        planTime.ToUnixTimeMilliseconds(),
        planTime.AddSeconds(seconds).ToUnixTimeMilliseconds(),
        worker,
        status == RunStatus.Succeeded ? "" : "went wrong",
        LastLine: "the last line");

    public JobPage List(string filter = "", string sort = "name", int limit = 50, string? after = null)
    {
        var order = JobOrder.Find(sort)!;
        var cursor = after is null ? null : JobCursor.Parse(after, order);
        return new JobListQuery(Filter.Parse(filter, Now), order, cursor, limit).Of(State, Now);
    }

    public JobRow Row(string name) => List($"job:\"{name}\"").Jobs.Single();

    private void Apply(KeyChange worker)
    {
        using var clocks = new ClockCheck(workerId: "", Time, NullLogger.Instance);
        State.ApplyWorkers(new ChangeBatch([worker], false, true), Now, clocks);
    }

    private void ApplyRuns(KeyChange change) => State.ApplyRuns(new ChangeBatch([change], false, true), (_, _) => { });

    private KeyChange.Put Put(string key, string value) => new(key, ++_revision, _revision, default, ByteString.CopyFromUtf8(value));

    private KeyChange.Deleted Gone(string key) => new(key, ++_revision);
}
