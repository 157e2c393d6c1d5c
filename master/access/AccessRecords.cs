using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Master.Access;

/// <summary>A person who may sign in: the value of a key under access/people/.</summary>
/// <param name="Filter">The jobs that the person may see and act on (<see cref="Scope"/>); empty = all.</param>
/// <param name="Password">Null = the person signs in at a trusted proxy only.</param>
/// <param name="By">The caller who made the record.</param>
internal sealed record Person(string Role, string Filter, PasswordHash? Password, DateTimeOffset CreatedAt, string By);

/// <summary>A token of a program or a person: the value of a key under access/tokens/.</summary>
/// <param name="Sha256">In hexadecimal. A token has 256 random bits, so its digest reveals nothing.</param>
/// <param name="EndsAt">Null = it does not expire.</param>
internal sealed record AccessToken(
    string Role, string Filter, string Sha256, DateTimeOffset CreatedAt, string By, DateTimeOffset? EndsAt = null);

/// <summary>The last use of a token: the value of a key under access/used/.</summary>
/// <param name="Day">In UTC.</param>
internal sealed record TokenUse(DateOnly Day);

/// <summary>A browser that has signed in: the value of a key under access/sessions/, which ends in the digest of the cookie.</summary>
/// <param name="Kind"><c>person</c>, <c>token</c> or <c>apiToken</c>.</param>
/// <param name="Credential">The id of the password, or the digest of the token. The session ends when that is replaced or removed.</param>
internal sealed record Session(
    string Kind, string Name, string Credential, string Address, DateTimeOffset CreatedAt, DateTimeOffset EndsAt)
{
    public const string OfPerson = "person", OfToken = "token", OfApiToken = "apiToken";
}

/// <summary>The JSON of records under access/.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Person))]
[JsonSerializable(typeof(AccessToken))]
[JsonSerializable(typeof(TokenUse))]
[JsonSerializable(typeof(Session))]
internal sealed partial class AccessJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static AccessJson Readable => field ??= new(JsonText.Readable(Default.Options));
}
