using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Commands;

/// <summary>The holders that this worker starts, one for each user that commands run as.</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="folder">Where the holders have their sockets.</param>
/// <param name="program">What starts a holder, without its socket: an executable and its arguments.</param>
internal sealed class UserHolders(string folder, IReadOnlyList<string> program, ILogger log, Action answersChanged)
{
    private const int StartsMax = 10; // Of one user within the time below, if holders die.
    private const int KillsTried = 5; // Holders may die again and again.

    private static readonly TimeSpan StartsCountFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KillsAgainAfter = TimeSpan.FromSeconds(1);
    private static readonly UserAccount WorkerItself = new("", uint.MaxValue, uint.MaxValue, "/");

    private readonly ConcurrentDictionary<UserAccount, HolderLink> _links = new();
    private readonly Lock _starting = new();
    private readonly Dictionary<UserAccount, Queue<long>> _starts = []; // When holders were started; guarded by _starting
    private readonly List<HolderProcess> _unreaped = []; // guarded by _starting

    public IEnumerable<HolderLink> Links => _links.Values;

    /// <summary>
    /// The holder of a user's commands, which is started if there is none; null = the worker's own user. Where holders die again and
    /// again, ten are started in ten seconds, and starts after that fail.
    /// </summary>
    public HolderLink Of(UserAccount? user)
    {
        lock (_starting)
        {
            var account = user ?? WorkerItself;
            if (!_links.TryGetValue(account, out var link) || (link.Fault is not null && MayStartAnother(account)))
            {
                StartsOf(account).Enqueue(Environment.TickCount64);
                _links[account] = link = Start(user);
            }

            link.NoteUse();
            return link;
        }
    }

    /// <summary>Asks the holders of these users whether they are there, and does not wait for their answers.</summary>
    public void WarmUp(IReadOnlyCollection<string> users)
    {
        foreach (var link in Links.Where(link => users.Contains(link.UserName) && !link.IsSilent))
        {
            link.Send(HolderMessage.Question);
        }
    }

    /// <summary>Starts the holder of a user and waits until it answers.</summary>
    /// <exception cref="StartException">It does not run.</exception>
    public async Task TryOutAsync(UserAccount? user)
    {
        var first = Of(user);
        if (await Task.WhenAny(first.Heard, Task.Delay(OwedAnswers.Within, TimeProvider.System)) != first.Heard
            || first.Fault is not null)
        {
            var why = first.Fault ?? $"it did not answer within {OwedAnswers.Within.TotalSeconds:0} s";
            var (asUser, asThatUser) = user is null ? ("", "") : ($" as {user.Name}", " as that user");
            throw new StartException(
                $"no command can be started{asUser}: {string.Join(' ', program)} does not run{asThatUser}: {why}");
        }
    }

    /// <summary>
    /// Kills what a dead holder left of a user's command (<see cref="LeftBehind"/>) and returns the number of processes; null = nobody can,
    /// because no holder of that user lives.
    /// </summary>
    public async Task<int?> KillLeftAsync(UserAccount user, IReadOnlyDictionary<string, string> mark, int pid, long startTicks)
    {
        for (var tries = 1; ; tries++)
        {
            var link = Of(user);
            var counted = link.KillLeft(new HolderMessage.KillLeft(mark, pid, startTicks));
            var isAnswered = await Task.WhenAny(counted, Task.Delay(OwedAnswers.Within, TimeProvider.System)) == counted;
            if (!isAnswered || await counted is not null || !link.WasKilled || tries == KillsTried)
            {
                return isAnswered ? await counted : null;
            }

            await Task.Delay(KillsAgainAfter, TimeProvider.System);
        }
    }

    /// <summary>Ends the holders of all users but one that have had no command for a time, and reaps those that have ended.</summary>
    /// <param name="except">Null = the worker's own user.</param>
    /// <param name="isUsed">Whether the worker still expects something from a holder.</param>
    public void EndIdle(UserAccount? except, TimeSpan time, Func<HolderLink, bool> isUsed)
    {
        lock (_starting)
        {
            var others = _links.Where(link => link.Key != (except ?? WorkerItself));
            foreach (var (user, idle) in others.Where(link => link.Value.HasIdledFor(time) && !isUsed(link.Value)).ToList())
            {
                _links.TryRemove(user, out _);
                idle.Dismiss();
            }

            _unreaped.RemoveAll(process => process.IsReaped || (process.IsDismissed && process.TryReap()));
        }
    }

    private HolderLink Start(UserAccount? user)
    {
        var (process, line, fault) = HolderProcess.Start(folder, program, user);
        var link = new HolderLink(line, process, log, answersChanged);
        if (process is null)
        {
            link.Fail(fault!);
        }
        else
        {
            _unreaped.Add(process);
            link.Hear();
        }

        return link;
    }

    private bool MayStartAnother(UserAccount user)
    {
        var starts = StartsOf(user);
        while (starts.TryPeek(out var at) && Environment.TickCount64 - at > StartsCountFor.TotalMilliseconds)
        {
            starts.Dequeue();
        }

        return starts.Count < StartsMax;
    }

    private Queue<long> StartsOf(UserAccount user)
    {
        if (!_starts.TryGetValue(user, out var starts))
        {
            _starts[user] = starts = new Queue<long>();
        }

        return starts;
    }
}
