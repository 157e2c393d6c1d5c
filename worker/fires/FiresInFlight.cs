using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>The fires of this worker that have become runs, until etcd has their completion.</summary>
internal sealed class FiresInFlight(FireContext context)
{
    private readonly Dictionary<(JobName, string), Fire> _runs = [];
    private readonly List<Fire> _inDoubt = []; // See NoteLostAnswers.
    private readonly ShortJobs _short = new();

    public IEnumerable<Fire> All => _runs.Values;

    public bool Has(JobName name, string runId) => _runs.ContainsKey((name, runId));

    /// <summary>The fires of a job whose runs are in flight here.</summary>
    public IEnumerable<Fire> OfJob(JobName name) => _runs.Values.Where(fire => fire.Name == name);

    /// <inheritdoc cref="ShortJobs.CountEndingSoon"/>
    public int CountEndingSoon(DateTimeOffset since) => _short.CountEndingSoon(_runs.Values, since);

    /// <exception cref="InvalidOperationException">The run is in flight here already.</exception>
    public void Add(Fire fire, Run run)
    {
        if (!_runs.TryAdd((fire.Name, fire.RunId), fire))
        {
            throw new InvalidOperationException($"{fire.Name}/{fire.RunId} was claimed twice");
        }

        foreach (var other in _inDoubt.Where(other => other.Name == fire.Name))
        {
            other.OvertakenBy = run.FencingToken;
        }
    }

    /// <summary>
    /// Notes each claim whose answer was lost, if its job is in mode all and its runs must not overlap. etcd grants the next claim of such
    /// a job although the lost one may have been granted, so a later run may come first.
    /// </summary>
    public void NoteLostAnswers(FireRequest request, IReadOnlyList<ClaimAnswer> answers)
    {
        for (var n = 0; n < answers.Count; n++)
        {
            if (answers[n] is ClaimAnswer.Failed { MayBeDone: true }
                && request.Fires[n] is { Plan: { Mode: JobMode.All, Overlap: not Overlap.Allow } } fire)
            {
                _inDoubt.RemoveAll(other => other == fire || other.State is FireState.Over or FireState.OfRun);
                _inDoubt.Add(fire);
            }
        }
    }

    /// <summary>
    /// Whether a claimed run must not start, because its answer was lost and another run of the job was claimed meanwhile: that one has a
    /// higher token, or still goes on.
    /// </summary>
    public bool IsOvertaken(Fire fire, Run claimed) =>
        fire.OvertakenBy > claimed.FencingToken || (fire.OvertakenBy > 0 && OfJob(fire.Name).Any());

    /// <summary>
    /// Gives a claim to the run of the same id that is still in flight here. A restored etcd may have forgotten that run, and granted it
    /// again.
    /// </summary>
    /// <returns>False = no such run is in flight here, and the claimed one starts.</returns>
    public bool TryTakeOver(Fire fire, Run claimed)
    {
        if (_runs.GetValueOrDefault((fire.Name, fire.RunId))?.State is not FireState.OfRun { Run: var run })
        {
            return false;
        }

        run.MoveToSession(claimed.Session, claimed.FencingToken);
        fire.State = new FireState.Over();
        return true;
    }

    public Fire? Find(Run run) => _runs.GetValueOrDefault((run.Name, run.Id));

    public void Adopted(Run run, DateTimeOffset startedAt)
    {
        Add(new Fire(run.Name, run.Spec, JobPlan.Unknown, rank: 0) { State = new FireState.Running(run, startedAt) }, run);
        context.Slots.Taken++;
    }

    public void Started(Run run, DateTimeOffset startedAt)
    {
        if (Find(run) is { State: FireState.Starting starting } fire)
        {
            fire.State = new FireState.Running(run, startedAt);
            if (starting.Kill is { } kill)
            {
                context.Do(kill);
            }
        }
    }

    public void Ended(Run run, TimeSpan ran)
    {
        if (Find(run) is { State: FireState.Running } fire)
        {
            fire.State = new FireState.Ended(run);
            context.Slots.Taken--;
            _short.Ended(run.Name, ran);
        }
    }

    public void Completed(Run run)
    {
        if (_runs.Remove((run.Name, run.Id), out var fire))
        {
            if (fire.State is FireState.Running)
            {
                context.Slots.Taken--; // The completion has come before the report of its end.
            }

            fire.State = new FireState.Over();
        }
    }
}
