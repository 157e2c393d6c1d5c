using Dts.Worker.Commands.Holders;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Commands;

/// <summary>Finds the holders that former workers left, and kills those that do not answer.</summary>
/// <param name="holders">This worker's, which kill holders of other users.</param>
internal sealed class FormerHolders(string folder, UserHolders holders, ILogger log)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan StoppedFor = TimeSpan.FromSeconds(1); // After that, a stopped holder does not go on by itself.

    /// <summary>The connections to the holders that answer, each with its first message.</summary>
    public async IAsyncEnumerable<(HolderLine Line, HolderMessage.Holds Holds)> MeetAsync()
    {
        // All are greeted first and share one time limit: however many hang, the worker starts in time.
        var metAt = Environment.TickCount64;
        var met = Directory.GetFiles(folder, "*" + Holder.SocketSuffix).Select(path => (path, Greet(path))).ToList();
        foreach (var (path, (line, word)) in met)
        {
            var isLate = line is not null && !await TryAwaitAsync(word, path, metAt);
            if (!isLate && line is not null && await word is HolderMessage.Holds holds)
            {
                yield return (line, holds);
                continue;
            }

            line?.Dispose();
            if (!isLate)
            {
                File.Delete(path); // Nobody listens there, or the holder was about to end and has left its endings.
            }
        }
    }

    /// <summary>The connection, null when nobody listens, and the first message to come.</summary>
    private static (HolderLine? Line, Task<HolderMessage?> Word) Greet(string path)
    {
        var line = HolderFolder.TryConnect(path) is { } socket ? new HolderLine(socket) : null;
        return (line, line?.ReceiveAsync() ?? Task.FromResult<HolderMessage?>(null));
    }

    /// <summary>False if the holder says nothing and cannot be killed. Its commands are left behind, and ended as such.</summary>
    private async Task<bool> TryAwaitAsync(Task word, string path, long metAt)
    {
        var killed = new HashSet<int>();
        for (var isTooLate = false; await Task.WhenAny(word, Task.Delay(LookEvery, TimeProvider.System)) != word;)
        {
            if (isTooLate)
            {
                return false;
            }

            // One that is only slow, on a busy host, has more time than one that is stopped.
            var waited = TimeSpan.FromMilliseconds(Environment.TickCount64 - metAt);
            isTooLate = waited > OwedAnswers.Within;
            var hung = waited > StoppedFor ? HolderFolder.FindHolders(path).Where(process => process.IsStopped || isTooLate) : [];
            foreach (var process in hung.Where(process => killed.Add(process.Pid)))
            {
                await KillHungAsync(process);
            }
        }

        return true;
    }

    /// <summary>Kills a holder as its user. Its commands are left behind, and ended as such.</summary>
    private async Task KillHungAsync(ProcessEntry holder)
    {
        log.HolderHangs(holder.Pid, holder.IsStopped ? "a signal stopped it" : "for ten seconds");
        var ofNone = new Dictionary<string, string> { ["DTS_HOLDER"] = $"{holder.Pid}" }; // No command has it: the pid alone counts.
        if (ProcessTable.UidOf(holder.Pid) is not { } uid || uid == UserAccount.Own)
        {
            LeftBehind.Kill(ofNone, holder.Pid, holder.StartTicks);
        }
        else if (UserAccount.Find(uid) is { } user)
        {
            await holders.KillLeftAsync(user, ofNone, holder.Pid, holder.StartTicks);
        }
    }
}
