using System.Collections.Concurrent;

namespace Dts.Common.Shell;

/// <summary>Starts commands that are due together back to back, on a thread of its own that runs before all ordinary ones where it may.</summary>
/// <remarks>Otherwise the commands just started compete with the starting of the others. Real-time takes CAP_SYS_NICE; without it all is as right, only later.</remarks>
public sealed class CommandStarter : IDisposable
{
    private readonly BlockingCollection<(IReadOnlyList<PreparedCommand> Commands, TaskCompletionSource<IReadOnlyList<RunningCommand>> Started)> _orders = [];
    private readonly CommandRunner _runner;
    private readonly Thread _thread;

    public CommandStarter(CommandRunner runner)
    {
        _runner = runner;
        _thread = new Thread(Run) { IsBackground = true, Name = "dts-start" };
        _thread.Start();
    }

    /// <summary>Starts them in this order; see <see cref="CommandRunner.Start"/>.</summary>
    public Task<IReadOnlyList<RunningCommand>> StartAsync(IReadOnlyList<PreparedCommand> commands)
    {
        var started = new TaskCompletionSource<IReadOnlyList<RunningCommand>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _orders.Add((commands, started));
        return started.Task;
    }

    /// <summary>Ends the thread when what was ordered has been started.</summary>
    public void Dispose()
    {
        _orders.CompleteAdding();
        _thread.Join();
        _orders.Dispose();
    }

    private void Run()
    {
        CommandRunner.TryHurryThisThread();
        foreach (var (commands, started) in _orders.GetConsumingEnumerable())
        {
            try
            {
                started.SetResult([.. commands.Select(_runner.Start)]);
            }
            catch (Exception bug)
            {
                started.SetException(bug); // Who ordered it ends with it.
            }
        }
    }
}
