using System.Security.Cryptography;

namespace Dts.Worker.Commands;

/// <summary>The secrets that a command gets: files in a folder of its own.</summary>
/// <param name="Folder">The folder, which the holder makes with its files, as the command's user.</param>
/// <param name="Files">Where the worker finds them. Contents pass between processes as open files only.</param>
internal sealed record SecretFiles(string Folder, IReadOnlyList<SecretFile> Files)
{
    /// <summary>The variable that tells a command its folder.</summary>
    public const string Variable = "DTS_SECRETS";

    private const int RandomLetters = 16;

    /// <summary>A folder for a run, with a name that nobody can guess and so make first.</summary>
    public static string NewFolder(string root, string run) =>
        Path.Combine(root, $"{run}-{RandomNumberGenerator.GetHexString(RandomLetters, lowercase: true)}");

    /// <summary>The folders of runs that are not among those given.</summary>
    public static IReadOnlyList<string> FindLeft(string root, IEnumerable<string> runs)
    {
        var found = Directory.GetFileSystemEntries(root); // Before the runs are read, because a run exists before its folder.
        var kept = runs.ToHashSet();
        return
        [
            .. found.Where(path => Path.GetFileName(path) is var name && !kept.Contains(name[..Math.Max(0, name.LastIndexOf('-'))])),
        ];
    }
}

/// <param name="Name">What the command finds it as.</param>
/// <param name="Source">The file that the worker opens.</param>
internal sealed record SecretFile(string Name, string Source);
