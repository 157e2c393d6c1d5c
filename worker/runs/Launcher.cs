using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Records;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Runs;

/// <summary>Starts commands, follows them to their ends, and records the endings.</summary>
internal sealed class Launcher(
    CommandSite site,
    HeldCommands commands,
    OwnRuns runs,
    RecordWriter recorder,
    ChannelWriter<Ending> endings,
    LauncherContext context)
{
    private readonly HashSet<Task> _followed = [];
    private readonly TaskCompletionSource _leaving = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private volatile bool _isAnyOver;

    /// <summary>How late the last command started; null = none has yet.</summary>
    public double? LagMs { get; private set; }

    /// <summary>The runs whose commands an earlier process of this worker started.</summary>
    public IReadOnlyList<Run> Former => [.. runs.All.Where(run => run.Command is not null)];

    /// <summary>Follows the command of such a run.</summary>
    public void Adopt(Run run) => Follow(run, run.Command!);

    /// <summary>Prepares a command before its start.</summary>
    /// <returns>Why the command cannot be started here; null = it is ready.</returns>
    public string? Prepare(Run run)
    {
        if (!runs.TryAdd(run) && runs.Find(run.Name, run.Id) != run)
        {
            throw new InvalidOperationException($"{run.Key} was claimed twice");
        }

        if (site.TryMake(run, out var refusal) is not { } command)
        {
            return refusal;
        }

        commands.Prepare(run.Key, HeldRun.ToTag(run), command);
        return null;
    }

    public void Drop(Run run)
    {
        site.Undo(run);
        commands.Drop(run.Key);
    }

    /// <inheritdoc cref="UserHolders.WarmUp"/>
    public void WarmUp(IReadOnlyCollection<string> users) => commands.WarmUp(users);

    /// <summary>Starts prepared commands together, and reports each as started or too late.</summary>
    /// <inheritdoc cref="HeldCommands.StartAsync" path="/param[@name='notAfterMs']"/>
    public async Task StartAsync(IReadOnlyList<Run> starting, long notAfterMs)
    {
        var session = context.Sessions.Current;
        var deadlines = starting
            .Select(run => DisconnectKills.FindDeadline(run, session, context.Settings.SessionTtl))
            .OfType<KillDeadline>()
            .ToList();
        var started = await commands.StartAsync([.. starting.Select(run => run.Key)], notAfterMs, deadlines);
        foreach (var (run, command) in starting.Zip(started))
        {
            if (command.WhyTooLate is { } why)
            {
                context.StartedTooLate(run, why);
            }
            else
            {
                context.Started(run, command);
            }
        }
    }

    /// <summary>Notes that a command was started, and follows it.</summary>
    public void Started(Run run, RunningCommand command)
    {
        run.Command = command;
        site.Launched(run, command);
        LagMs = (command.StartedAt - run.Spec.NotBefore).TotalMilliseconds;
        if (command.Pid > 0)
        {
            WorkerMeter.Started(LagMs.Value);
            context.Log.Started(run.Name, run.Id, command.Pid, LagMs.Value);
        }

        if (run.IsRunElsewhere)
        {
            command.Kill(Run.RunElsewhere); // It was declared lost while it was being started.
        }

        Follow(run, command);
    }

    /// <param name="revision">Of the kill request; 0 = there is none.</param>
    public static void Kill(Run run, string reason, long revision)
    {
        run.KillRevision = revision > 0 ? revision : run.KillRevision;
        run.Command?.Kill(reason);
    }

    /// <summary>Ends a run that never started.</summary>
    public async Task EndAsync(Run run, RunStatus status, string why)
    {
        _ = runs.TryAdd(run); // Unless it was prepared before.
        context.Log.NotRun(run.Name.Value, run.Id, status, why);
        run.Status = status;
        await endings.WriteAsync(new Ending(recorder.NotStarted(run, status, why, context.Time.GetUtcNow()), run));
    }

    /// <summary>An exception out of a follower is a bug and ends the worker.</summary>
    public async Task ForgetFollowedAsync()
    {
        if (!_isAnyOver)
        {
            return;
        }

        _isAnyOver = false;
        foreach (var ended in _followed.Where(task => task.IsCompleted).ToList())
        {
            _followed.Remove(ended);
            await ended;
        }
    }

    /// <summary>Leaves running commands to the next process, or waits for their ends and kills what is left then.</summary>
    public async Task StopAsync(TimeSpan until)
    {
        var isDraining = context.Drains();
        if (!isDraining)
        {
            _leaving.SetResult();
            var left = runs.All.Count(run => run is { Command: not null, Status: null });
            if (left > 0)
            {
                context.Log.LeftRunning(left);
            }
        }

        var all = Task.WhenAll(_followed);
        var remaining = until - context.Time.GetElapsedTime(0);
        await Task.WhenAny(all, Task.Delay(remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero, context.Time));
        foreach (var run in isDraining ? runs.All : [])
        {
            run.Command?.Kill(
                "the worker was told to stop and the command had not ended within its drainTimeout of "
                    + $"{context.Settings.DrainTimeout.TotalSeconds:0} s");
        }

        await all;
        endings.Complete();
    }

    private void Follow(Run run, RunningCommand command)
    {
        var following = FollowAsync(run, command);
        _followed.Add(following);
        following.ContinueWith(
            _ =>
            {
                _isAnyOver = true;
                context.Wake();
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private async Task FollowAsync(Run run, RunningCommand command)
    {
        if (await Task.WhenAny(command.Ended, _leaving.Task) != command.Ended)
        {
            return;
        }

        var ending = await command.Ended;
        if (ending.Outcome is CommandOutcome.Lost lost)
        {
            ending = await EndLostAsync(run, command, ending, lost);
        }

        var record = recorder.Ran(run, ending, site.End(run, ending));
        run.Status = record.Status;
        RunSpan.End(run, ending, record);
        context.Log.Ended(record);
        await endings.WriteAsync(new Ending(record, run));
        context.Ended(run, ending.EndedAt - ending.StartedAt);
    }

    /// <summary>Kills what a dead holder left of a command. Only then is its run over, because it may run again at once.</summary>
    private async Task<CommandEnding> EndLostAsync(Run run, RunningCommand command, CommandEnding ending, CommandOutcome.Lost lost)
    {
        var launch = new LaunchJournal.Launch(run.Key, command.Pid, command.StartTicks, run.User);
        var killed = await context.KillLeftBehind(launch);
        site.RemoveSecrets(commands, runs.All.Where(other => other != run));
        if (killed is null)
        {
            context.Log.LeftoverStays(run.Key, run.User);
        }

        var left = killed switch
        {
            null => "what is left of it could not be killed",
            0 => "nothing was left of it",
            1 => "1 process was left of it, which was killed",
            _ => $"{killed} processes were left of it, which were killed",
        };
        return ending with { Outcome = new CommandOutcome.Lost($"{lost.Why}; {left}"), EndedAt = context.Time.GetUtcNow() };
    }
}

/// <summary>What the launcher needs of the process around it.</summary>
/// <param name="Drains">Whether running commands get the drain timeout when the worker stops, or are left to the next process.</param>
/// <param name="Started">Called on any thread when a command was started, or could not be.</param>
/// <param name="StartedTooLate">Called on any thread when the start of a command came too late, with the reason.</param>
/// <param name="Ended">Called on any thread when a command has ended, with its duration.</param>
/// <param name="Wake">Makes the loop call <see cref="Launcher.ForgetFollowedAsync"/>.</param>
/// <param name="KillLeftBehind">Kills what is left of a command without a holder: the number of processes; null = it cannot.</param>
internal sealed record LauncherContext(
    WorkerSettings Settings,
    Func<bool> Drains,
    SessionKeeper Sessions,
    Action<Run, RunningCommand> Started,
    Action<Run, string> StartedTooLate,
    Action<Run, TimeSpan> Ended,
    Action Wake,
    Func<LaunchJournal.Launch, Task<int?>> KillLeftBehind,
    TimeProvider Time,
    ILogger Log);
