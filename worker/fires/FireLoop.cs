using Dts.Common.Hosting;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Fires;

/// <summary>Feeds <see cref="Fires"/> with events and does what it decides.</summary>
/// <remarks>One loop, one inbox. Nothing here waits for etcd or for a holder: their answers come in as events.</remarks>
internal sealed class FireLoop(
    Fires fires, FireInbox inbox, FireRequests requests, Launcher launcher, OwedEndings owed, FireLoopContext context) : IDisposable
{
    private readonly Alarm _alarm = new(_ => inbox.Wake(), context.Time);
    private readonly HashSet<Task> _requests = [];

    /// <summary>How many commands may run, as new claims see it.</summary>
    public int Slots => fires.Slots.Offered;

    /// <summary>
    /// Runs until the inbox is completed. Claimed runs still start then. Running commands are left to the next process, or get the drain
    /// timeout.
    /// </summary>
    public async Task RunAsync()
    {
        foreach (var run in launcher.Former)
        {
            await TakeAsync(new FireEvent.Adopted(run, run.Command!.StartedAt));
            launcher.Adopt(run); // Only now: its end must not be reported before it is adopted.
        }

        await foreach (var happened in inbox.Reader.ReadAllAsync())
        {
            await TakeAsync(happened);
            await ForgetAsync();
            if (_alarm.IsThisThread && inbox.Reader.TryPeek(out _))
            {
                await Task.Yield(); // It is a real-time thread, and what is due has started. Other threads take the rest.
            }
        }

        await StopAsync();
    }

    public void Dispose() => _alarm.Dispose();

    private async Task TakeAsync(FireEvent happened)
    {
        if (happened is FireEvent.Probe(var answer))
        {
            answer.TrySetResult(new FireFigures(fires.Jobs, fires.Slots.Taken, fires.Slots.Offered, launcher.LagMs));
            return;
        }

        await DecideAsync(happened);
        while (inbox.TryTakePosted(out var posted))
        {
            await DecideAsync(posted);
        }

        _alarm.Set(fires.NextDue);
    }

    private async Task DecideAsync(FireEvent happened)
    {
        if (happened is FireEvent.Started started)
        {
            launcher.Started(started.Run, started.Command);
        }

        var decidedAtMs = Environment.TickCount64; // Read before the moment, so that a stall after this line counts against the patience.
        foreach (var action in fires.Take(happened, context.Moment()))
        {
            await PerformAsync(action, decidedAtMs);
        }
    }

    private async Task PerformAsync(FireAction action, long decidedAtMs)
    {
        switch (action)
        {
            case FireAction.Start(var runs, var patience):
                _requests.Add(launcher.StartAsync(runs, notAfterMs: decidedAtMs + (long)patience.TotalMilliseconds));
                break;
            case FireAction.Ask(var request):
                _requests.Add(Task.Run(async () => inbox.Post(await requests.AskAsync(request))));
                break;
            case FireAction.RequestEnd(var fire, var txn):
                _requests.Add(Task.Run(() => RequestEndAsync(fire, txn)));
                break;
            case FireAction.Prepare(var runs):
                await DecideAsync(new FireEvent.Prepared([.. runs.Select(run => new Preparation(run, launcher.Prepare(run)))]));
                break;
            case FireAction.WarmUp(var users):
                launcher.WarmUp(users);
                break;
            case FireAction.Drop(var run):
                launcher.Drop(run);
                break;
            case FireAction.DropToRetry(var run, var why):
                launcher.Drop(run);
                context.Log.StartTriedAgain(run.Name.Value, run.Id, why);
                break;
            case FireAction.Kill(var run, var reason, var revision):
                Launcher.Kill(run, reason, revision);
                break;
            case FireAction.RecordNotStarted(var run, var status, var why):
                await launcher.EndAsync(run, status, why);
                break;
            case FireAction.RecordOwed(var name, var job, var ending):
                await owed.RecordAsync(name, job, ending);
                break;
            case FireAction.AnnounceReady(var jobs):
                context.Ready(jobs);
                break;
            case FireAction.LogScheduleEnded(var name):
                context.Log.ScheduleEnded(name);
                break;
            case FireAction.LogCursorReplaced(var key, var value):
                context.Log.DocumentRemoved(key, $"it is \"{Display.Line(value)}\"; expected a time such as 2026-11-22T10:00:00Z");
                break;
        }
    }

    private async Task RequestEndAsync(Fire fire, Etcdserverpb.TxnRequest txn)
    {
        if (!await requests.TryAsync(txn))
        {
            inbox.Post(new FireEvent.EndNotRequested(fire));
        }
    }

    /// <summary>An exception out of a request is a bug and ends the worker.</summary>
    private async Task ForgetAsync()
    {
        foreach (var ended in _requests.Where(request => request.IsCompleted).ToList())
        {
            _requests.Remove(ended);
            await ended;
        }

        await launcher.ForgetFollowedAsync();
    }

    private async Task StopAsync()
    {
        var until = context.Time.GetElapsedTime(0) + context.DrainTimeout; // The clock may be stepped meanwhile.
        await TakeAsync(new FireEvent.Stopping());
        do
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), context.Time);
            await TakeAsync(new FireEvent.Tick());
        }
        while ((fires.IsAsking || fires.Slots.Promised > 0) && context.Time.GetElapsedTime(0) < until);

        await TakeAsync(new FireEvent.StartNothingMore("the worker was told to stop before it could start"));
        await Task.WhenAll(_requests);
        await TakeAsync(new FireEvent.Tick()); // What was started in the last moment is followed, too.
        await launcher.StopAsync(until);
    }
}

/// <summary>What the loop needs of the process around it.</summary>
/// <param name="Ready">Called with the number of jobs when all are known.</param>
internal sealed record FireLoopContext(
    Func<Moment> Moment, Action<int> Ready, TimeSpan DrainTimeout, TimeProvider Time, ILogger Log);
