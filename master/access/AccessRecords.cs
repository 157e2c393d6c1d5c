using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Master.Access;

/// <summary>A person who may sign in, as etcd has it under the person's name.</summary>
/// <param name="Filter">The jobs that the person may see and act on (<see cref="Scope"/>); empty = all.</param>
/// <param name="Password">Null = the person signs in at a trusted proxy only.</param>
/// <param name="By">Who made the record.</param>
internal sealed record Person(string Role, string Filter, PasswordHash? Password, DateTimeOffset CreatedAt, string By);

/// <summary>A token of a program or a person, as etcd has it under the token's name.</summary>
/// <param name="Sha256">Of the token, in hexadecimal. The token has 256 random bits, so its digest tells nothing of it.</param>
/// <param name="EndsAt">Null = it does not end by itself.</param>
internal sealed record AccessToken(
    string Role, string Filter, string Sha256, DateTimeOffset CreatedAt, string By, DateTimeOffset? EndsAt = null);

/// <summary>When a token was last used, as etcd has it under the token's name.</summary>
/// <param name="Day">In UTC.</param>
internal sealed record TokenUse(DateOnly Day);

/// <summary>A browser that has signed in, as etcd has it under the digest of its cookie's value.</summary>
/// <param name="Kind"><c>person</c>, <c>token</c> or <c>apiToken</c>.</param>
/// <param name="Credential">
/// Names the password or token that was shown: when that has been replaced or removed, the session has ended.
/// </param>
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
