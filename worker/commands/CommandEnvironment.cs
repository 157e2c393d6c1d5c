namespace Dts.Worker.Commands;

/// <summary>The clean environment in which commands start, like that of crontab(5).</summary>
internal static class CommandEnvironment
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>PATH, HOME, LANG, SHELL, USER and LOGNAME, from the worker if it has them; callers extend the new dictionary.</summary>
    /// <param name="account">The user of HOME, USER and LOGNAME; null = the worker's own.</param>
    public static Dictionary<string, string> Clean(string shell = "/bin/bash", UserAccount? account = null)
    {
        var user = account?.Name ?? Inherited("USER", Environment.UserName);
        var home = account?.Home ?? Inherited("HOME", Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = Inherited("PATH", DefaultPath),
            ["HOME"] = home.Length > 0 ? home : "/",
            ["LANG"] = Inherited("LANG", "C.UTF-8"),
            ["SHELL"] = shell,
            ["USER"] = user,
            ["LOGNAME"] = user,
        };
    }

    private static string Inherited(string name, string otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : otherwise;
}
