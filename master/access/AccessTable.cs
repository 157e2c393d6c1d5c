using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Master.Access;

/// <summary>People, tokens and sessions of etcd, in memory: no request waits for etcd to identify its caller.</summary>
/// <remarks>
/// Thread-safe: readers see one immutable state, and the keeper replaces it. Unreadable records let nobody in, but they count: a master
/// with such records needs credentials.
/// </remarks>
internal sealed class AccessTable(Keys keys, TimeProvider time)
{
    /// <summary>The most sessions of one person or token. Another one ends the oldest.</summary>
    public const int SessionsMax = 50;

    private volatile State _state = State.Empty;
    private volatile bool _isListed;
    private readonly ChangeSignal _changed = new();

    /// <summary>The records have been read at least once.</summary>
    public bool IsListed => _isListed;

    /// <summary>There are people or tokens.</summary>
    public bool HasRecords => _state.Records > 0;

    public IReadOnlyDictionary<string, Person> People => _state.People;

    public IReadOnlyDictionary<string, AccessToken> Tokens => _state.Tokens;

    /// <summary>The last use of each token, by name.</summary>
    public IReadOnlyDictionary<string, TokenUse> TokenUses => _state.Uses;

    public void NoteListed() => _isListed = true;

    /// <inheritdoc cref="ChangeSignal.WaitForOwnWriteAsync"/>
    public Task WaitForOwnWriteAsync(Func<bool> hasIt, CancellationToken cancel) => _changed.WaitForOwnWriteAsync(hasIt, cancel);

    /// <inheritdoc cref="ChangeSignal.WaitUntilAsync"/>
    public Task WaitUntilAsync(Func<bool> holds, TimeSpan limit, CancellationToken cancel) =>
        _changed.WaitUntilAsync(holds, limit, cancel);

    /// <summary>Takes changes in etcd; the first call may have none. Must not be called concurrently.</summary>
    /// <param name="report">Called for each unreadable record.</param>
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
            var isSound = Apply(change, keys.People, people, AccessJson.Readable.Person, person => Roles.Find(person.Role) is not null)
                ?? Apply(change, keys.Tokens, tokens, AccessJson.Readable.AccessToken, token => Roles.Find(token.Role) is not null);
            _ = isSound is false ? broken.Add(change.Key) : broken.Remove(change.Key);
            isSound ??= Apply(change, keys.Sessions, sessions, AccessJson.Readable.Session, _ => true)
                ?? Apply(change, keys.UsedTokens, uses, AccessJson.Readable.TokenUse, _ => true);
            if (isSound is false)
            {
                report(change, "it is not a record of a person, a token or a session; it lets nobody in");
            }
        }

        _state = new State(
            people.ToImmutable(), tokens.ToImmutable(), uses.ToImmutable(), sessions.ToImmutable(), broken.ToImmutable());
        _isListed = true;
        _changed.Raise();
    }

    /// <summary>The holder of a token; null = the token is unknown or has expired.</summary>
    public Caller? FindByToken(string token, IPAddress address)
    {
        var state = _state;
        return state.NamesByDigest.TryGetValue(Secret.Digest(token), out var name) && OfToken(state, name) is { } found
            ? CallerOf(name, found.Role, found.Filter, address, CallerVia.Token)
            : null;
    }

    /// <summary>Null = there is no person of this name.</summary>
    public Caller? FindPerson(string name, IPAddress address, CallerVia via) =>
        _state.People.TryGetValue(name, out var person) ? CallerOf(name, person.Role, person.Filter, address, via) : null;

    /// <summary>The caller of a session; null = it has ended, or its password or token was replaced or removed.</summary>
    /// <param name="apiToken">The credential of sessions that were begun with the apiToken.</param>
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

    /// <summary>The digests of the oldest sessions, which must end before a person or a token may have another one.</summary>
    public IReadOnlyList<string> SessionsTooMany(string kind, string name) =>
    [
        .. _state.Sessions.Where(session => session.Value.Kind == kind && session.Value.Name == name)
            .OrderByDescending(session => session.Value.CreatedAt)
            .Skip(SessionsMax - 1)
            .Select(session => session.Key),
    ];

    /// <summary>Whether the table has this state of a person; null = removed.</summary>
    public bool Has(string name, Person? person) =>
        _state.People.GetValueOrDefault(name) is { } known
            ? (known.Role, known.Filter, known.Password?.Id) == (person?.Role, person?.Filter, person?.Password?.Id)
            : person is null;

    /// <summary>Whether a session is on record, even an expired one.</summary>
    public bool HasSession(string value) => _state.Sessions.ContainsKey(Secret.Digest(value));

    /// <summary>Whether a person is signed in from an address.</summary>
    public bool IsUsedBy(string person, IPAddress address) => _state.Sessions.Values.Any(
        session => session.Kind == Session.OfPerson && session.Name == person && session.Address == $"{address}");

    private AccessToken? OfToken(State state, string name) =>
        state.Tokens.TryGetValue(name, out var token) && (token.EndsAt is not { } end || end > time.GetUtcNow()) ? token : null;

    /// <returns>Null = the filter is unreadable, so nobody knows what it allows.</returns>
    private static Caller? CallerOf(string name, string role, string filter, IPAddress address, CallerVia via) =>
        Roles.Find(role) is { } known && Scope.TryParse(filter) is { } scope ? new Caller(name, known, scope, address, via) : null;

    /// <returns>Null = the key is not under the prefix; false = the record is unreadable.</returns>
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
        if (change is not KeyChange.Put put)
        {
            return true;
        }

        try
        {
            if (JsonSerializer.Deserialize(put.Value.Span, type) is { } record && isSound(record))
            {
                table.Add(name, record);
                return true;
            }
        }
        catch (JsonException)
        {
            // Unreadable, too.
        }

        return false;
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
