namespace Dts.Worker.Commands;

/// <summary>
/// Finds users of this host without a long wait. The host may ask a directory (LDAP) that does not answer, or look for the home of a user
/// on a file server that is gone.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class UserLookup(Func<string, UserAccount?> find, TimeProvider time)
{
    /// <summary>How long the first question for a user waits for its answer.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromMilliseconds(250);

    private const int KnownMax = 1000;

    private static readonly TimeSpan AsksAgainAfter = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, Lookup> _lookups = [];

    /// <param name="user">Null = this host has no user of that name. A user who was known a minute ago is not waited for again.</param>
    /// <returns>False = the host does not answer.</returns>
    public bool TryFind(string name, out UserAccount? user)
    {
        if (!_lookups.TryGetValue(name, out var lookup) || IsOld(lookup))
        {
            if (_lookups.Count >= KnownMax)
            {
                _lookups.Clear();
            }

            lookup = _lookups[name] = new Lookup(Ask(name), time.GetUtcNow(), lookup?.Answer.Result);
            _ = lookup.Before is not null || lookup.Answer.Wait(Within);
        }

        user = lookup.Answer.IsCompleted ? lookup.Answer.Result : lookup.Before;
        return lookup.Answer.IsCompleted || user is not null;
    }

    private bool IsOld(Lookup lookup) =>
        lookup.Answer.IsCompleted && (lookup.Answer.Result is null || time.GetUtcNow() - lookup.AskedAt > AsksAgainAfter);

    private Task<UserAccount?> Ask(string name) => Task.Factory.StartNew(
        () => find(name), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <param name="Before">The answer before this one; null = there was none, or no such user.</param>
    private sealed record Lookup(Task<UserAccount?> Answer, DateTimeOffset AskedAt, UserAccount? Before);
}
