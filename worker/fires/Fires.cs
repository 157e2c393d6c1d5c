using Dts.Common.Jobs;
using Dts.Worker.Runs;

namespace Dts.Worker.Fires;

/// <summary>Decides everything about a fire, from its plan to its start: events and time in, actions out.</summary>
/// <remarks>
/// <para>Not thread-safe, without I/O and without a clock of its own: equal events at equal moments bring equal actions. Its driver is
/// <see cref="FireLoop"/>.</para>
/// <para>A fire goes through <see cref="FirePlans"/> (when is it due?), <see cref="PendingFires"/> (when is it tried next?),
/// <see cref="ClaimQueue"/> (what is etcd asked?), <see cref="Claims"/> (what does the answer mean?) and <see cref="Starts"/> (when does
/// its run start?). Its <see cref="FireState"/> says where it is.</para>
/// </remarks>
internal sealed class Fires
{
    private readonly FireContext _context;
    private readonly Roster _roster;
    private readonly FirePlans _plans;
    private readonly PendingFires _pending;
    private readonly EarlyFires _early;
    private readonly ClaimQueue _queue;
    private readonly Claims _claims;
    private readonly FiresInFlight _inFlight;
    private readonly Starts _starts;
    private readonly Kills _kills;
    private readonly Cancellations _cancellations = new();
    private readonly List<ITimed> _due = [];
    private bool _isStopping;

    public Fires(FireContext context, IReadOnlyDictionary<string, string> labels)
    {
        _context = context;
        _roster = new Roster(context.WorkerId, labels);
        _pending = new PendingFires(_context);
        _early = new EarlyFires(_context, _pending);
        _inFlight = new FiresInFlight(_context);
        _starts = new Starts(_context, _inFlight, _cancellations);
        _kills = new Kills(_context, _starts, _inFlight, _cancellations);
        _queue = new ClaimQueue(_context, _pending, _early, new RunsInTheWay(_context, _pending, _kills, _inFlight), _inFlight);
        _claims = new Claims(_context, _pending, _queue, _starts, _inFlight, name => _plans!.RevisionOf(name));
        _plans = new FirePlans(_context, _roster, _pending.Add, (name, runId) => _claims.Drop(_pending.Find(name, runId)));
    }

    /// <summary>When to look at the time again, in Unix milliseconds; null = only with the next event.</summary>
    public long? NextDue => _context.Wheel.NextDue;

    public SlotCount Slots => _context.Slots;

    public int Jobs => _plans.Count;

    /// <summary>Whether a request to etcd is under way.</summary>
    public bool IsAsking => _queue.IsAsking;

    /// <summary>Takes one event, and then handles every timer that is due.</summary>
    /// <returns>The actions to perform, in order.</returns>
    public IReadOnlyList<FireAction> Take(FireEvent happened, Moment moment)
    {
        var before = _context.Now;
        _context.Moment = moment;
        if (moment.Now + FireContext.StepBack < before)
        {
            TakeStepBack();
        }

        Take(happened);
        RingDue();
        _starts.StartReady();
        _starts.Prepare();
        if (!_isStopping)
        {
            _claims.TryDue();
            _queue.Send();
        }

        return _context.TakeActions();
    }

    private void Take(FireEvent happened)
    {
        switch (happened)
        {
            case FireEvent.Together(var events):
                foreach (var one in events)
                {
                    Take(one);
                }

                break;
            case FireEvent.JobPut(var name, var plan, var cursor):
                if (!_plans.Put(name, plan, cursor))
                {
                    Cancel(name, plan.Revision, "paused");
                }

                break;
            case FireEvent.JobGone(var name, var revision, var why):
                _plans.Remove(name);
                Cancel(name, revision, why);
                break;
            case FireEvent.JobsListed:
                _plans.Listed();
                break;
            case FireEvent.RunRequested(var name, var run, var revision):
                _plans.Request(name, run, revision);
                break;
            case FireEvent.RunTaken(var name, var runId):
                _plans.Taken(name, runId);
                break;
            case FireEvent.Due(var fire):
                _pending.Add(fire);
                break;
            case FireEvent.KillRequested(var name, var request, var revision):
                _kills.Kill(name, request, revision);
                break;
            case FireEvent.EtcdReplaced:
                _cancellations.Clear();
                break;
            case FireEvent.Answered(var request, var answers):
                _inFlight.NoteLostAnswers(request, answers);
                _claims.Handle(request, answers);
                break;
            case FireEvent.EndNotRequested(var fire):
                fire.Replaces = null; // Requested again at the next try.
                break;
            case FireEvent.Stopping:
                _isStopping = true;
                break;
            default:
                TakeOfRun(happened);
                break;
        }
    }

    private void TakeOfRun(FireEvent happened)
    {
        switch (happened)
        {
            case FireEvent.Adopted(var run, var startedAt):
                _inFlight.Adopted(run, startedAt);
                break;
            case FireEvent.Prepared(var runs):
                _starts.Prepared(runs);
                break;
            case FireEvent.Started(var run, var command):
                _inFlight.Started(run, command.StartedAt);
                break;
            case FireEvent.StartedTooLate(var run, var why):
                _starts.CameTooLate(run, why);
                break;
            case FireEvent.Ended(var run, var ran):
                _inFlight.Ended(run, ran);
                break;
            case FireEvent.Completed(var run):
                _inFlight.Completed(run);
                break;
            case FireEvent.StartNothingMore(var why):
                _starts.GiveUpAll(why);
                break;
            default:
                TakeOfWorker(happened);
                break;
        }
    }

    private void TakeOfWorker(FireEvent happened)
    {
        switch (happened)
        {
            case FireEvent.WorkerJoined(var id, var labels) when _roster.Add(id, labels):
                LeaveTo(id, isNew: true);
                break;
            case FireEvent.Drained(var id, var isOn) when _roster.Drain(id, isOn):
                Slots.IsDrained = id == _context.WorkerId ? isOn : Slots.IsDrained;
                LeaveTo(id, isNew: false);
                break;
            case FireEvent.WorkerLeft(var id):
                _roster.Remove(id);
                break;
            case FireEvent.Reconfigured(var labels, var slots):
                _roster.Relabel(labels);
                Slots.Total = slots;
                LeaveTo(_context.WorkerId, isNew: true);
                break;
            case FireEvent.HoldersSilent(var users):
                Slots.SilentHolders = users;
                break;
        }
    }

    private void TakeStepBack()
    {
        _context.Wheel.Advance(_context.Now.ToUnixTimeMilliseconds(), _due); // Timers keep their times.
        _plans.PlanAgain();
        _early.TakeStepBack();
        _starts.TakeStepBack();
    }

    private void RingDue()
    {
        var now = _context.Now.ToUnixTimeMilliseconds();
        do
        {
            _context.Wheel.Advance(now, _due);
            foreach (var timed in _due)
            {
                Ring(timed, now);
            }

            _due.Clear();
        }
        while (_context.Wheel.NextDue <= now);
    }

    private void Ring(ITimed timed, long now)
    {
        switch (timed)
        {
            case PlanGroup group:
                _plans.Ring(group);
                break;
            case RequestedRun requested:
                _plans.Ring(requested);
                break;
            case Fire { State: FireState.Waiting { Timer.DueMs: var due } } fire when due <= now:
                _pending.Ring(fire);
                break;
            case Fire { State: FireState.OfRun } fire:
                _starts.Ring(fire);
                break;
        }
    }

    private void Cancel(JobName name, long revision, string why)
    {
        _ = _claims.Drop(_pending.Find(name));
        _kills.Cancel(name, runId: "", revision, why);
    }

    /// <summary>Hands fires without a matching worker over to a worker that may match them now, perhaps to this one.</summary>
    /// <param name="isNew">It has joined or has other labels; false = it is no longer drained.</param>
    private void LeaveTo(string worker, bool isNew)
    {
        var left = _roster.LabelsOf(worker) is { } labels ? _pending.LeaveTo(worker, labels, isNew) : [];
        if (worker == _context.WorkerId)
        {
            _plans.PlanAgain(left);
        }
    }
}
