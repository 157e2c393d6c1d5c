using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>The endings that a former worker's holder left, because all its commands had ended before a worker came.</summary>
internal sealed class EndingsFile
{
    private readonly string _path;
    private readonly HashSet<string> _ids; // guarded by itself

    private EndingsFile(string path, IReadOnlyList<HolderMessage.Held> commands) =>
        (_path, Commands, _ids) = (path, commands, [.. commands.Select(command => command.Id)]);

    public IReadOnlyList<HolderMessage.Held> Commands { get; }

    /// <summary>Where the holder with this socket leaves its endings.</summary>
    public static string PathBeside(string socket) => Path.ChangeExtension(socket, Holder.EndingsSuffix);

    /// <summary>The files of holders that have ended; empty ones are deleted.</summary>
    public static IEnumerable<EndingsFile> FindIn(string folder)
    {
        var paths = Directory.GetFiles(folder, "*" + Holder.EndingsSuffix);
        foreach (var path in paths.Where(path => !File.Exists(Path.ChangeExtension(path, Holder.SocketSuffix))))
        {
            if (File.ReadAllText(path) is { Length: > 0 } text
                && HolderLine.Parse(text) is HolderMessage.Holds holds
                && holds.Commands.Count > 0)
            {
                yield return new EndingsFile(path, holds.Commands);
            }
            else
            {
                File.Delete(path);
            }
        }
    }

    /// <summary>Deletes the file once all its endings are forgotten.</summary>
    public void Forget(string id)
    {
        lock (_ids)
        {
            if (_ids.Remove(id) && _ids.Count == 0)
            {
                File.Delete(_path);
            }
        }
    }
}
