using Dts.Common.Hosting;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Runs;

/// <summary>
/// Finds the secrets that jobs name, in the worker's secrets folder or among its credentials, and gives each run a folder of its own for
/// them, which lies in memory and goes with the run.
/// </summary>
/// <param name="sources">Where secrets are looked for; the first that has one counts.</param>
/// <param name="root">Where the folders of runs are made; it is made itself when the first job asks for a secret.</param>
internal sealed class RunSecrets(IReadOnlyList<string> sources, string root, string workerId)
{
    /// <summary>systemd gives the unit a folder in memory (RuntimeDirectory=); without systemd there is the one of shared memory.</summary>
    public static RunSecrets Open(WorkerSettings settings)
    {
        string[] sources =
        [
            settings.SecretsFolder,
            .. new[] { Environment.GetEnvironmentVariable("CREDENTIALS_DIRECTORY") ?? "" }.Where(Path.IsPathRooted),
        ];
        var root = Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY") is { Length: > 0 } folder
            ? Path.Combine(folder.Split(':')[0], "secrets")
            : $"/dev/shm/dts-{UserAccount.Own}-{RunCgroups.HashOf(settings.DataFolder)}";
        return new RunSecrets(sources, root, settings.WorkerId);
    }

    /// <summary>
    /// Finds the secrets of a run, null if it has none; false = one is missing, and <paramref name="refusal"/> says which one, and where it
    /// was looked for.
    /// </summary>
    public bool TryFind(Run run, out SecretFiles? secrets, out string refusal)
    {
        (secrets, refusal) = (null, "");
        if (run.Job.Secrets.Count == 0)
        {
            return true;
        }

        var files = new List<SecretFile>();
        foreach (var name in run.Job.Secrets)
        {
            var places = sources.Select(source => Path.Combine(source, name)).ToList();
            if (places.Find(File.Exists) is not { } place)
            {
                refusal = $"secret \"{name}\" is missing on worker {workerId}: there is no file {string.Join(" or ", places)}";
                return false;
            }

            if (FindUnreadable(place) is { } why)
            {
                refusal = $"secret \"{name}\" cannot be read on worker {workerId}: {place}: {why}";
                return false;
            }

            files.Add(new SecretFile(name, place));
        }

        if (FindUnusable() is { } unusable)
        {
            refusal = $"secrets is {string.Join(',', run.Job.Secrets)}, for which worker {workerId} has no folder: {unusable}";
            return false;
        }

        // A start that is tried again has the same folder.
        secrets = new SecretFiles(run.Secrets?.Folder ?? SecretFiles.NewFolder(root, RunCgroups.NameOf(run.Name.Value, run.Id)), files);
        return true;
    }

    /// <summary>Removes what processes that were killed have left.</summary>
    /// <param name="held">The runs whose commands go on.</param>
    public void RemoveLeft(HeldCommands commands, IEnumerable<Run> held)
    {
        if (Libc.OwnerOf(root) != UserAccount.Own)
        {
            return;
        }

        var left = SecretFiles.FindLeft(root, held.Select(run => RunCgroups.NameOf(run.Name.Value, run.Id)));
        foreach (var ofOne in left.GroupBy(Libc.OwnerOf))
        {
            if (ofOne.Key == UserAccount.Own)
            {
                ofOne.ToList().ForEach(SecretsFolder.Remove);
            }
            else if (ofOne.Key is { } uid && UserAccount.Find(uid) is { } user)
            {
                commands.RemoveSecrets(user, [.. ofOne]); // Nobody else may.
            }
        }
    }

    private static string? FindUnreadable(string path)
    {
        var opened = FileDescriptors.OpenForReading(path);
        if (opened < 0)
        {
            return Libc.Describe(-opened);
        }

        using var file = new SafeFileHandle(opened, ownsHandle: true);
        return RandomAccess.GetLength(file) is var length && length > SecretsFolder.BytesMax
            ? $"it has {length} bytes; expected at most {SecretsFolder.BytesMax}"
            : null;
    }

    /// <summary>Why no folders can be made; null = they can.</summary>
    private string? FindUnusable()
    {
        // What is there must be a folder of ours: in a folder that others may write to, they could have made it first.
        var made = Folders.Make(root);
        return made < 0 && (Libc.OwnerOf(root) != UserAccount.Own || new DirectoryInfo(root) is not { Exists: true, LinkTarget: null })
                ? $"{root}: {Libc.Describe(-made)}"
            : Folders.OpenToMakers(root) is < 0 and var error ? $"{root}: {Libc.Describe(-error)}"
            : null;
    }
}
