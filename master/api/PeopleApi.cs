using System.ComponentModel;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Master.Access;
using Dts.Master.Audit;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>People and tokens, for admins.</summary>
internal sealed class PeopleApi(AccessStore store, AccessTable table, Credentials credentials)
{
    private const int BytesMax = 8 << 10;

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/users", () => new PeoplePage(
            [.. table.People.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => PersonRow.Of(one.Key, one.Value))]))
            .RequireRole(Role.Admin).WithSummary("The people who may sign in");
        v1.MapPost("/users", AddPersonAsync).RequireRole(Role.Admin)
            .WithSummary("Adds a person; without a password they sign in at a trusted proxy only").WithMetadata(ApiHeaders.Created);
        v1.MapPatch("/users/{name}", ChangePersonAsync).RequireRole(Role.Admin)
            .WithSummary("Changes role, filter or password of a person; a new password ends their sessions");
        v1.MapDelete("/users/{name}", async ([Description("The person's name")] string name, CancellationToken cancel) =>
        {
            ThrowIfLast(table.People.ContainsKey(name));
            var isRemoved = await store.RemovePersonAsync(name, cancel);
            await table.WaitForOwnWriteAsync(() => !table.People.ContainsKey(name), cancel);
            return isRemoved ? TypedResults.NoContent() : throw NoPerson(name);
        }).RequireRole(Role.Admin).WithSummary("Removes a person, and ends their sessions on all masters");

        v1.MapGet("/tokens", () => new TokensPage(
            [
                .. table.Tokens.OrderBy(one => one.Key, StringComparer.Ordinal).Select(
                    one => TokenRow.Of(one.Key, one.Value, table.TokenUses.GetValueOrDefault(one.Key))),
            ]))
            .RequireRole(Role.Admin).WithSummary("The tokens, without their values");
        v1.MapPost("/tokens", AddTokenAsync).RequireRole(Role.Admin)
            .WithSummary("Makes a token; the answer is the only one that shows its value").WithMetadata(ApiHeaders.Created);
        v1.MapDelete("/tokens/{name}", async ([Description("The token's name")] string name, CancellationToken cancel) =>
        {
            ThrowIfLast(table.Tokens.ContainsKey(name));
            var isRemoved = await store.RemoveTokenAsync(name, cancel);
            await table.WaitForOwnWriteAsync(() => !table.Tokens.ContainsKey(name), cancel);
            return isRemoved
                ? TypedResults.NoContent()
                : throw Refusal.NotFound($"name \"{Display.Line(name)}\" is not a token");
        }).RequireRole(Role.Admin).WithSummary("Revokes a token on all masters");
    }

    private async Task<Created<Added>> AddPersonAsync(HttpContext http, CancellationToken cancel)
    {
        var given = await JsonBody.ReadAsync(http, BytesMax, "name", "role", "filter", "password");
        var (name, role, filter) = NoteNew(http, given);
        var isAdded = await ValidAsync(
            () => store.AddPersonAsync(name, role, filter, Text(given, "password"), Caller.Of(http).Name, cancel));
        await table.WaitForOwnWriteAsync(() => table.People.ContainsKey(name), cancel);
        return isAdded
            ? TypedResults.Created($"/api/v1/users/{name}", new Added(name, role.Word(), filter))
            : throw Refusal.Conflict($"name \"{name}\" is a person already; change it with PATCH /api/v1/users/{name}");
    }

    private async Task<PersonRow> ChangePersonAsync(
        [Description("The person's name")] string name, HttpContext http, CancellationToken cancel)
    {
        var given = await JsonBody.ReadAsync(http, BytesMax, "role", "filter", "password");
        var (role, filter, password) = (RoleOf(given), Text(given, "filter"), Text(given, "password"));
        var changed = await ValidAsync(() => store.ChangePersonAsync(name, role, filter, password, cancel));
        if (changed is not var (before, after))
        {
            throw NoPerson(name);
        }

        await table.WaitForOwnWriteAsync(() => table.Has(name, after), cancel);
        Note(http, name, $"{Words(before)} → {Words(after)}{(password is null ? "" : "; new password")}");
        return PersonRow.Of(name, after);
    }

    private async Task<Created<MadeToken>> AddTokenAsync(HttpContext http, CancellationToken cancel)
    {
        var given = await JsonBody.ReadAsync(http, BytesMax, "name", "role", "filter", "endsAt");
        var endsAt = Query.Moment("endsAt", Text(given, "endsAt"));
        var (name, role, filter) = NoteNew(http, given);
        var value = await ValidAsync(() => store.AddTokenAsync(name, role, filter, endsAt, Caller.Of(http).Name, cancel));
        await table.WaitForOwnWriteAsync(() => table.Tokens.ContainsKey(name), cancel);
        return value is null
            ? throw Refusal.Conflict($"name \"{name}\" is a token already; expected another name")
            : TypedResults.Created($"/api/v1/tokens/{name}", new MadeToken(name, role.Word(), filter, endsAt, value));
    }

    /// <summary>Reads name, role and filter of a new person or token, and notes them for the audit trail.</summary>
    private static (string Name, Role Role, string Filter) NoteNew(HttpContext http, JsonObject given)
    {
        var (name, filter) = (Text(given, "name") ?? "", Text(given, "filter") ?? "");
        var role = RoleOf(given) ?? throw Refusal.Invalid($"role is missing; expected {Roles.Expected}");
        Note(http, name, Words(role.Word(), filter));
        return (name, role, filter);
    }

    private static string Words(Person person) => Words(person.Role, person.Filter);

    private static string Words(string role, string filter) => $"role {role}{(filter.Length > 0 ? $", filter {filter}" : "")}";

    private static void Note(HttpContext http, string target, string detail) =>
        (AuditNotes.Of(http).Target, AuditNotes.Of(http).Detail) = (target, Display.Visible(detail));

    private static string? Text(JsonObject given, string member) =>
        given[member] is { } value ? JsonBody.Text(member, value) : null;

    private static Role? RoleOf(JsonObject given) => Text(given, "role") is not { } text ? null
        : Roles.Find(text) ?? throw Refusal.Invalid("role", text, Roles.Expected);

    private static Refusal NoPerson(string name) => Refusal.NotFound($"name \"{Display.Line(name)}\" is not a person");

    /// <summary>Answers 422 if the store refuses a value: it comes from the body.</summary>
    private static async Task<T> ValidAsync<T>(Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (FormatException wrong)
        {
            throw Refusal.Invalid(wrong.Message);
        }
    }

    private void ThrowIfLast(bool isKnown)
    {
        if (isKnown && credentials.NeedsRecords && table.People.Count + table.Tokens.Count == 1)
        {
            throw Refusal.Conflict(
                "it is the last record of people and tokens, and without any this master asks nobody on its host who they are; "
                    + "add another first, or remove it on the host with dts-master user rm or token rm");
        }
    }
}

/// <param name="HasPassword">false: they sign in at a trusted proxy only.</param>
internal sealed record PersonRow(string Name, string Role, string Filter, bool HasPassword, DateTimeOffset CreatedAt, string By)
{
    public static PersonRow Of(string name, Person person) =>
        new(name, person.Role, person.Filter, person.Password is not null, person.CreatedAt, person.By);
}

/// <param name="Next">Always null: people come on one page.</param>
internal sealed record PeoplePage(IReadOnlyList<PersonRow> Users, string? Next = null);

internal sealed record Added(string Name, string Role, string Filter);

/// <param name="EndsAt">Null = it does not end by itself.</param>
/// <param name="UsedOn">The day (UTC) of its last use; null = none is known.</param>
internal sealed record TokenRow(
    string Name, string Role, string Filter, DateTimeOffset CreatedAt, string By, DateTimeOffset? EndsAt, DateOnly? UsedOn)
{
    public static TokenRow Of(string name, AccessToken token, TokenUse? use) =>
        new(name, token.Role, token.Filter, token.CreatedAt, token.By, token.EndsAt, use?.Day);
}

/// <param name="Next">Always null: tokens come on one page.</param>
internal sealed record TokensPage(IReadOnlyList<TokenRow> Tokens, string? Next = null);

/// <param name="Token">Its value, shown this once.</param>
internal sealed record MadeToken(string Name, string Role, string Filter, DateTimeOffset? EndsAt, string Token);
