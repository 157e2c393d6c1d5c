using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Master.Access;

/// <summary>Writes people, tokens and sessions to etcd.</summary>
internal sealed class AccessStore(EtcdClient etcd, Keys keys, TimeProvider time)
{
    /// <summary>How long a browser stays signed in.</summary>
    public static readonly TimeSpan SessionLasts = TimeSpan.FromHours(12);

    private const int Tries = 20;

    // etcd is slow with many leases, and a caller may sign in any number of times.
    private static readonly TimeSpan SessionsShareFor = TimeSpan.FromMinutes(5);

    private readonly RequestLease _sessions = new(etcd, time, SessionLasts + SessionsShareFor, SessionsShareFor);

    /// <summary>Adds a person; false = the name is taken.</summary>
    /// <exception cref="FormatException">The name, role, filter or password is wrong.</exception>
    public Task<bool> AddPersonAsync(string name, Role role, string filter, string? password, string by, CancellationToken cancel)
    {
        Check(role, filter);
        var person = new Person(role.Word(), filter, password is null ? null : PasswordHash.Of(password), time.GetUtcNow(), by);
        return AddAsync(keys.Person(AccessNames.Check(name)), person, AccessJson.Readable.Person, cancel);
    }

    /// <summary>Replaces what is not null, and returns the record before and after; null = there is no such person.</summary>
    /// <exception cref="FormatException">The filter or password is wrong.</exception>
    public async Task<(Person Before, Person After)?> ChangePersonAsync(
        string name, Role? role, string? filter, string? password, CancellationToken cancel)
    {
        var hash = password is null ? null : PasswordHash.Of(password);
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var pair = await etcd.FindAsync(keys.Person(name), cancel: cancel);
            if (pair is null)
            {
                return null;
            }

            var before = JsonSerializer.Deserialize(pair.Value.Span, AccessJson.Readable.Person)!;
            var after = before with
            {
                Role = role?.Word() ?? before.Role, Filter = filter ?? before.Filter, Password = hash ?? before.Password,
            };
            Check(Roles.Find(after.Role) ?? Role.Admin, after.Filter);
            var put = Txn.If(Txn.Unchanged(keys.Person(name), pair.ModRevision))
                .Then(Txn.Put(keys.Person(name), JsonSerializer.Serialize(after, AccessJson.Readable.Person)));
            if ((await etcd.TxnAsync(put, cancel: cancel)).Succeeded)
            {
                return (before, after);
            }
        }

        throw new EtcdException(EtcdError.Unavailable, $"person {name} was changed by others {Tries} times; try again");
    }

    /// <summary>Removes a person, which ends their sessions; false = there is no such person.</summary>
    public async Task<bool> RemovePersonAsync(string name, CancellationToken cancel) =>
        (await etcd.DeleteAsync(keys.Person(name), cancel)).Deleted > 0;

    /// <summary>Makes a token and returns it, the only time that it can be seen; null = the name is taken.</summary>
    /// <exception cref="FormatException">The name or filter is wrong, or the end is past.</exception>
    public async Task<string?> AddTokenAsync(
        string name, Role role, string filter, DateTimeOffset? endsAt, string by, CancellationToken cancel)
    {
        Check(role, filter);
        if (endsAt <= time.GetUtcNow())
        {
            throw new FormatException($"endsAt is {Cursor.Text(endsAt.Value)}, which is past; expected a later time");
        }

        var value = Secret.NewToken();
        var token = new AccessToken(role.Word(), filter, Secret.Digest(value), time.GetUtcNow(), by, endsAt);
        return await AddAsync(keys.Token(AccessNames.Check(name)), token, AccessJson.Readable.AccessToken, cancel) ? value : null;
    }

    /// <summary>Removes a token; false = there is no such token.</summary>
    public async Task<bool> RemoveTokenAsync(string name, CancellationToken cancel) =>
        (await etcd.TxnAsync(
            Txn.All([Txn.Delete(keys.Token(name)), Txn.Delete(keys.UsedTokens + name)]), repeatable: false, cancel))
        .Responses[0].ResponseDeleteRange.Deleted > 0;

    /// <summary>Notes the day on which a token is used.</summary>
    public Task NoteUseAsync(string token, DateOnly day, CancellationToken cancel) => etcd.TxnAsync(
        Txn.If(Txn.Exists(keys.Token(token)))
            .Then(Txn.Put(keys.UsedTokens + token, JsonSerializer.Serialize(new TokenUse(day), AccessJson.Readable.TokenUse))),
        cancel: cancel);

    /// <summary>Begins a session and returns the value of its cookie.</summary>
    /// <param name="ended">Digests of the sessions that it replaces.</param>
    public async Task<string> AddSessionAsync(
        string kind, string name, string credential, string address, IReadOnlyList<string> ended, CancellationToken cancel)
    {
        var (value, now) = (Secret.NewValue(), time.GetUtcNow());
        var session = JsonSerializer.Serialize(
            new Session(kind, name, credential, address, now, now + SessionLasts), AccessJson.Readable.Session);
        await _sessions.UseAsync(lease => etcd.PutAsync(keys.Session(Secret.Digest(value)), session, lease, cancel), cancel);
        foreach (var digest in ended)
        {
            await etcd.DeleteAsync(keys.Session(digest), cancel);
        }

        return value;
    }

    public Task RemoveSessionAsync(string value, CancellationToken cancel) =>
        etcd.DeleteAsync(keys.Session(Secret.Digest(value)), cancel);

    /// <summary>Whether a master with these settings needs credentials.</summary>
    public static async Task<bool> IsAskedAsync(MasterSettings settings, CancellationToken cancel)
    {
        if (settings.ApiToken.Length > 0 || settings.TrustedProxies.Count > 0)
        {
            return true;
        }

        using var etcd = new EtcdClient(settings.Etcd, TimeProvider.System, NullLogger.Instance);
        return (await etcd.ListAsync(settings.Keys.People, cancel)).Count + (await etcd.ListAsync(settings.Keys.Tokens, cancel)).Count > 0;
    }

    public async Task<IReadOnlyList<(string Name, Person Person)>> ListPeopleAsync(CancellationToken cancel) =>
        await ListAsync(keys.People, AccessJson.Readable.Person, cancel);

    public async Task<IReadOnlyList<(string Name, AccessToken Token)>> ListTokensAsync(CancellationToken cancel) =>
        await ListAsync(keys.Tokens, AccessJson.Readable.AccessToken, cancel);

    private static void Check(Role role, string filter)
    {
        var scope = Scope.Parse(filter);
        if (role == Role.Admin && !scope.IsEverything)
        {
            throw new FormatException("filter limits an admin, who could lift it; expected none, or another role");
        }
    }

    private async Task<IReadOnlyList<(string Name, T Record)>> ListAsync<T>(
        string prefix, JsonTypeInfo<T> type, CancellationToken cancel)
        where T : class
    {
        List<(string, T)> found = [];
        foreach (var pair in await etcd.ListAsync(prefix, cancel))
        {
            try
            {
                found.Add((pair.Key.ToStringUtf8()[prefix.Length..], JsonSerializer.Deserialize(pair.Value.Span, type)!));
            }
            catch (JsonException)
            {
                // Masters report it (AccessKeeper).
            }
        }

        return found;
    }

    private async Task<bool> AddAsync<T>(string key, T record, JsonTypeInfo<T> type, CancellationToken cancel)
    {
        var add = Txn.If(Txn.Missing(key)).Then(Txn.Put(key, JsonSerializer.Serialize(record, type)));
        return (await etcd.TxnAsync(add, cancel: cancel)).Succeeded;
    }
}
