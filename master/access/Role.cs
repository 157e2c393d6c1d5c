using System.Text.Json;

namespace Dts.Master.Access;

/// <summary>What a caller may do. Each role includes the ones before it.</summary>
internal enum Role
{
    /// <summary>Sees jobs, runs and outputs, but no values of environment variables.</summary>
    Viewer,

    /// <summary>Runs, kills, pauses and resumes.</summary>
    Operator,

    /// <summary>Saves and deletes jobs.</summary>
    Editor,

    /// <summary>Manages people and tokens, sets the user and the workers of jobs, reads the audit trail.</summary>
    Admin,
}

internal static class Roles
{
    public const string Expected = "viewer, operator, editor or admin";

    private static readonly Dictionary<string, Role> ByWord = Enum.GetValues<Role>().ToDictionary(role => role.Word());

    public static string Word(this Role role) => JsonNamingPolicy.CamelCase.ConvertName($"{role}");

    /// <summary>Null = the text is not a role.</summary>
    public static Role? Find(string text) => ByWord.TryGetValue(text, out var role) ? role : null;
}
