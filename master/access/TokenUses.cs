using System.Collections.Concurrent;
using System.Threading.Channels;
using Dts.Common.Etcd;

namespace Dts.Master.Access;

/// <summary>Notes in etcd the day on which each token was last used, so that an admin can find unused ones.</summary>
/// <remarks>Thread-safe. A master writes at most once a day per token, and no request waits for it.</remarks>
internal sealed class TokenUses(AccessTable table, AccessStore store, TimeProvider time)
{
    // full: a later request notes the use
    private readonly Channel<(string Token, DateOnly Day)> _seen = Channel.CreateBounded<(string, DateOnly)>(1000);

    private readonly ConcurrentDictionary<string, DateOnly> _noted = [];

    public void Note(Caller caller)
    {
        var today = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
        if (caller.Via == CallerVia.Token
            && table.TokenUses.GetValueOrDefault(caller.Name)?.Day != today
            && _noted.GetValueOrDefault(caller.Name) != today
            && _seen.Writer.TryWrite((caller.Name, today)))
        {
            _noted[caller.Name] = today;
        }
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await foreach (var (token, day) in _seen.Reader.ReadAllAsync(stop))
            {
                await NoteAsync(token, day, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }

    private async Task NoteAsync(string token, DateOnly day, CancellationToken stop)
    {
        try
        {
            await store.NoteUseAsync(token, day, stop);
        }
        catch (EtcdException)
        {
            _noted.TryRemove(token, out _); // The client has logged it. The next request tries again.
        }
    }
}
