namespace Dts.Master.Access;

/// <summary>What a caller may do. Each role may do what the ones before it may.</summary>
internal enum Role
{
    /// <summary>Sees jobs, runs and outputs, but no values of environment variables.</summary>
    Viewer,

    /// <summary>Runs, kills, pauses and resumes.</summary>
    Operator,

    /// <summary>Saves and deletes jobs.</summary>
    Editor,

    /// <summary>Manages people and tokens, sets the user and the workers that jobs run with, reads the audit trail.</summary>
    Admin,
}

internal static class Roles
{
    public const string Expected = "viewer, operator, editor or admin";

    public static string Word(this Role role) => role switch
    {
        Role.Viewer => "viewer",
        Role.Operator => "operator",
        Role.Editor => "editor",
        _ => "admin",
    };

    /// <summary>Null = the text is no role.</summary>
    public static Role? Find(string text) =>
        Enum.GetValues<Role>().Select(role => (Role?)role).FirstOrDefault(role => role!.Value.Word() == text);
}
