namespace Dts.Worker.Commands;

/// <summary>
/// Finds users of this host without a long wait. The host may ask a directory (LDAP) that does not answer, or look for the home of a user
/// on a file server that is gone.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class UserLookup(Func<string, UserAnswer> find, TimeProvider time)
{
    /// <summary>How long the question for a user who is not known waits for its answer.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromMilliseconds(250);

    private const int KnownMax = 1000;

    private static readonly TimeSpan AsksAgainAfter = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AsksForUnknownAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan NotAwaitedFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan StaysKnownFor = TimeSpan.FromHours(1);

    private readonly Dictionary<string, Lookup> _lookups = [];

    /// <summary>
    /// Asks the host, at most once a minute. A user who was found within the last hour stays known if there is no answer, and one of the
    /// last five minutes until the answer comes.
    /// </summary>
    /// <param name="user">Null = this host has no user of that name.</param>
    /// <returns>False = the host does not answer.</returns>
    public bool TryFind(string name, out UserAccount? user)
    {
        var now = time.GetElapsedTime(0);
        if (!_lookups.TryGetValue(name, out var lookup) || MayAskAgain(lookup, now))
        {
            foreach (var (answered, _) in _lookups.Count < KnownMax ? [] : _lookups.Where(one => one.Value.Answer.IsCompleted).ToList())
            {
                _lookups.Remove(answered);
            }

            lookup = _lookups[name] = new Lookup(Ask(name), now, lookup is null ? null : lookup.Found ?? lookup.Before);
            _ = IsKnown(lookup.Before, now - NotAwaitedFor) || lookup.Answer.Wait(Within);
        }

        var found = lookup.Found ?? (IsKnown(lookup.Before, now - StaysKnownFor) ? lookup.Before : null);
        user = found?.User;
        return found is not null;
    }

    private static bool MayAskAgain(Lookup lookup, TimeSpan now) =>
        lookup.Answer.IsCompleted
            && now - lookup.AskedAt > (IsKnown(lookup.Found ?? lookup.Before, now - StaysKnownFor) ? AsksAgainAfter : AsksForUnknownAfter);

    private static bool IsKnown(Known? found, TimeSpan since) => found is { User: not null } && found.At > since;

    private Task<UserAnswer> Ask(string name) => Task.Factory.StartNew(
        () => find(name), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <param name="Before">What was found before; null = nothing.</param>
    private sealed record Lookup(Task<UserAnswer> Answer, TimeSpan AskedAt, Known? Before)
    {
        /// <summary>Null = the host has not answered.</summary>
        public Known? Found =>
            Answer is { IsCompleted: true, Result: { IsAnswer: true, User: var user } } ? new Known(user, AskedAt) : null;
    }

    private sealed record Known(UserAccount? User, TimeSpan At);
}

/// <summary>A host's answer to the question for a user.</summary>
/// <param name="IsAnswer">False = one of the host's sources could not answer.</param>
/// <param name="User">Null = there is no such user.</param>
internal readonly record struct UserAnswer(bool IsAnswer, UserAccount? User);
