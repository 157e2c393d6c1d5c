using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Master.Access;

/// <summary>People, tokens and sessions as etcd has them, in memory: no request waits for etcd to know who makes it.</summary>
/// <remarks>
/// Thread-safe: readers see one immutable state, and the keeper replaces it. Records that cannot be read let nobody in, but they count:
/// a master with such records is not one that asks for nothing.
/// </remarks>
internal sealed class AccessTable(Keys keys, TimeProvider time)
{
    /// <summary>The most sessions of one person or token; one more ends the oldest.</summary>
    public const int SessionsMax = 50;

    private volatile State _state = State.Empty;
    private volatile bool _isListed;
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The records have been read at least once.</summary>
    public bool IsListed => _isListed;

    /// <summary>There are people or tokens.</summary>
    public bool HasRecords => _state.Records > 0;

    public IReadOnlyDictionary<string, Person> People => _state.People;

    public IReadOnlyDictionary<string, AccessToken> Tokens => _state.Tokens;

    /// <summary>When tokens were last used, by their names.</summary>
    public IReadOnlyDictionary<string, TokenUse> TokenUses => _state.Uses;

    /// <summary>A table for masters and tests without records.</summary>
    public static AccessTable OfNobody()
    {
        var table = new AccessTable(new Keys(Keys.DefaultPrefix), TimeProvider.System);
        table.NoteListed();
        return table;
    }

    public void NoteListed() => _isListed = true;

    /// <summary>Waits until the table says so, or for so long.</summary>
    public async Task WaitUntilAsync(Func<bool> isSo, TimeSpan most, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(most);
        while (!limit.IsCancellationRequested)
        {
            var changed = _changed.Task;
            if (isSo())
            {
                return;
            }

            await changed.WaitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Not called concurrently.</summary>
    /// <param name="report">Called for each record that cannot be read.</param>
    public void Apply(IEnumerable<KeyChange> changes, Action<KeyChange, string> report)
    {
        var (people, tokens, uses, sessions, broken) = (
            _state.People.ToBuilder(),
            _state.Tokens.ToBuilder(),
            _state.Uses.ToBuilder(),
            _state.Sessions.ToBuilder(),
            _state.Broken.ToBuilder());
        foreach (var change in changes)
        {
            var isRead = Apply(change, keys.People, people, AccessJson.Readable.Person, person => Roles.Find(person.Role) is not null)
                ?? Apply(change, keys.Tokens, tokens, AccessJson.Readable.AccessToken, token => Roles.Find(token.Role) is not null)
                ?? Apply(change, keys.Sessions, sessions, AccessJson.Readable.Session, _ => true)
                ?? Apply(change, keys.UsedTokens, uses, AccessJson.Readable.TokenUse, _ => true);
            if (change is KeyChange.Put && isRead is false)
            {
                report(change, "it is no record of a person, a token or a session; it lets nobody in");
            }

            if (change is KeyChange.Put && isRead is false
                && !change.Key.StartsWith(keys.Sessions, StringComparison.Ordinal)
                && !change.Key.StartsWith(keys.UsedTokens, StringComparison.Ordinal))
            {
                broken.Add(change.Key);
            }
            else
            {
                broken.Remove(change.Key);
            }
        }

        _state = new State(
            people.ToImmutable(), tokens.ToImmutable(), uses.ToImmutable(), sessions.ToImmutable(), broken.ToImmutable());
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    /// <summary>The holder of a token; null = it is none, or has ended.</summary>
    public Caller? FindByToken(string token, IPAddress address)
    {
        var state = _state;
        return state.NamesByDigest.TryGetValue(Secret.Digest(token), out var name) && OfToken(state, name) is { } found
            ? CallerOf(name, found.Role, found.Filter, address, CallerVia.Token)
            : null;
    }

    /// <summary>The person of a name; null = nobody knows it.</summary>
    public Caller? FindPerson(string name, IPAddress address, CallerVia via) =>
        _state.People.TryGetValue(name, out var person) ? CallerOf(name, person.Role, person.Filter, address, via) : null;

    /// <summary>Whose session it is; null = it has ended, or its password or token was replaced or removed.</summary>
    /// <param name="apiToken">The credential that a session of the apiToken must have.</param>
    public Caller? FindBySession(string value, IPAddress address, Func<string> apiToken)
    {
        var state = _state;
        if (!state.Sessions.TryGetValue(Secret.Digest(value), out var session) || session.EndsAt <= time.GetUtcNow())
        {
            return null;
        }

        return session.Kind switch
        {
            Session.OfPerson when state.People.TryGetValue(session.Name, out var person) && person.Password?.Id == session.Credential =>
                CallerOf(session.Name, person.Role, person.Filter, address, CallerVia.Person),
            Session.OfToken when OfToken(state, session.Name) is { } token && token.Sha256 == session.Credential =>
                CallerOf(session.Name, token.Role, token.Filter, address, CallerVia.Token),
            Session.OfApiToken when session.Credential == apiToken() => Caller.OfApiToken(address),
            _ => null,
        };
    }

    /// <summary>The digests of sessions that must end before a person or a token may have one more: the oldest.</summary>
    public IReadOnlyList<string> SessionsTooMany(string kind, string name) =>
    [
        .. _state.Sessions.Where(session => session.Value.Kind == kind && session.Value.Name == name)
            .OrderByDescending(session => session.Value.CreatedAt)
            .Skip(SessionsMax - 1)
            .Select(session => session.Key),
    ];

    /// <summary>Whether a person has signed in from here, and has not signed out.</summary>
    public bool IsUsedBy(string person, IPAddress address) => _state.Sessions.Values.Any(
        session => session.Kind == Session.OfPerson && session.Name == person && session.Address == $"{address}");

    private AccessToken? OfToken(State state, string name) =>
        state.Tokens.TryGetValue(name, out var token) && (token.EndsAt is not { } end || end > time.GetUtcNow()) ? token : null;

    /// <returns>Null = its filter cannot be read, so that nobody knows what it allows.</returns>
    private static Caller? CallerOf(string name, string role, string filter, IPAddress address, CallerVia via) =>
        Roles.Find(role) is { } known && Scope.TryParse(filter) is { } scope ? new Caller(name, known, scope, address, via) : null;

    /// <returns>Null = the key is not under this prefix.</returns>
    private static bool? Apply<T>(
        KeyChange change, string prefix, ImmutableDictionary<string, T>.Builder table, JsonTypeInfo<T> type, Predicate<T> isSound)
        where T : class
    {
        if (!change.Key.StartsWith(prefix, StringComparison.Ordinal))
        {
            return null;
        }

        var name = change.Key[prefix.Length..];
        table.Remove(name);
        if (change is KeyChange.Put put && TryRead(put, type) is { } record && isSound(record))
        {
            table.Add(name, record);
            return true;
        }

        return change is KeyChange.Deleted;
    }

    private static T? TryRead<T>(KeyChange.Put put, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(put.Value.Span, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record State(
        ImmutableDictionary<string, Person> People,
        ImmutableDictionary<string, AccessToken> Tokens,
        ImmutableDictionary<string, TokenUse> Uses,
        ImmutableDictionary<string, Session> Sessions,
        ImmutableHashSet<string> Broken)
    {
        public static readonly State Empty = new(
            ImmutableDictionary<string, Person>.Empty,
            ImmutableDictionary<string, AccessToken>.Empty,
            ImmutableDictionary<string, TokenUse>.Empty,
            ImmutableDictionary<string, Session>.Empty,
            []);

        public Dictionary<string, string> NamesByDigest { get; } =
            Tokens.GroupBy(token => token.Value.Sha256).ToDictionary(same => same.Key, same => same.First().Key);

        public int Records => People.Count + Tokens.Count + Broken.Count;
    }
}
