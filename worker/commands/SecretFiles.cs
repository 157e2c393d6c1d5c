using System.Security.Cryptography;

namespace Dts.Worker.Commands;

/// <summary>The secrets that a command gets: files in a folder of its own.</summary>
/// <param name="Folder">Where its holder makes the files, as the command's user; nothing is there before.</param>
/// <param name="Files">Where the worker finds them. The contents pass from process to process as open files only.</param>
internal sealed record SecretFiles(string Folder, IReadOnlyList<SecretFile> Files)
{
    /// <summary>The variable that tells a command its folder.</summary>
    public const string Variable = "DTS_SECRETS";

    private const int LettersThatNobodyGuesses = 16;

    /// <summary>A folder for a run: whoever may write beside it must not be able to make it first.</summary>
    public static string NewFolder(string root, string run) =>
        Path.Combine(root, $"{run}-{RandomNumberGenerator.GetHexString(LettersThatNobodyGuesses, lowercase: true)}");

    /// <summary>The folders of runs that are not among those given.</summary>
    public static IReadOnlyList<string> FindLeft(string root, IEnumerable<string> runs)
    {
        var kept = runs.ToHashSet();
        return
        [
            .. Directory.EnumerateFileSystemEntries(root)
                .Where(path => Path.GetFileName(path) is var name && !kept.Contains(name[..Math.Max(0, name.LastIndexOf('-'))])),
        ];
    }
}

/// <param name="Name">What the command finds it as.</param>
/// <param name="Source">The file that the worker opens.</param>
internal sealed record SecretFile(string Name, string Source);
