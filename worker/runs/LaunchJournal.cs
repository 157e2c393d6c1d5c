using System.Globalization;
using System.Text;
using Dts.Worker.Commands;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Runs;

/// <summary>The commands that this worker may have started. After a kill -9, the next process under its id looks for them.</summary>
/// <remarks>
/// The first line is <c>boot id</c>. Then each step appends a line before it happens: <c>launching job/runId 0 0 user</c>,
/// <c>launched job/runId pid startTicks user</c>, <c>ended job/runId</c>. No fsync is needed: a crash of the host also ends the commands.
/// Thread-safe.
/// </remarks>
internal sealed class LaunchJournal : IDisposable
{
    private const int LinesMax = 20_000;
    private const string Boot = "boot";

    private readonly string _path;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _open = [];
    private FileStream? _file; // Null = not created yet: the disk was full at the start.
    private int _lines;
    private bool _failing;

    private LaunchJournal(string path, ILogger log)
    {
        (_path, _log) = (path, log);
        Former = File.Exists(path) ? ReadOpen(path) : [];
        Guard(() => _file = Rewrite());
    }

    /// <summary>The commands that the process before this one may have started and did not see end.</summary>
    public IReadOnlyList<Launch> Former { get; }

    public static LaunchJournal Open(string folder, ILogger log) =>
        DataFolder.Guard(folder, () => new LaunchJournal(Path.Combine(folder, "launches"), log));

    public void Launching(Run run) => Write(run, "launching", run.User.Length > 0 ? $" 0 0 {run.User}" : "");

    public void Launched(Run run, RunningCommand command) =>
        Write(run, "launched", string.Create(CultureInfo.InvariantCulture, $" {command.Pid} {command.StartTicks} {run.User}").TrimEnd());

    public void Ended(Run run)
    {
        Write(run, "ended", "");
        lock (_gate)
        {
            _open.Remove(KeyOf(run));
            if (!_failing && _lines > LinesMax + _open.Count)
            {
                Shorten();
            }
        }
    }

    public void Dispose() => _file?.Dispose();

    private static string KeyOf(Run run) => $"{run.Name}/{run.Id}";

    private static List<Launch> ReadOpen(string path)
    {
        var open = new List<Launch>();
        foreach (var line in File.ReadLines(path))
        {
            // A name may have spaces; the first word and the last slash are what can be relied on.
            if (line.Split(' ', 2) is not [var step, var rest])
            {
                continue;
            }

            if (step == Boot && rest != ThisProcess.Identity.Boot)
            {
                return []; // Nothing outlives its boot.
            }

            if (rest.LastIndexOf('/') is var slash and > 0)
            {
                var words = rest[slash..].Split(' ');
                var key = rest[..slash] + words[0];
                open.RemoveAll(launch => launch.Key == key);
                if (step != "ended")
                {
                    open.Add(new Launch(key, (int)NumberAt(words, 1), NumberAt(words, 2), words.Length > 3 ? words[3] : ""));
                }
            }
        }

        return open;
    }

    private static long NumberAt(string[] words, int at) =>
        words.Length > at && long.TryParse(words[at], CultureInfo.InvariantCulture, out var number) ? number : 0;

    private void Write(Run run, string step, string more)
    {
        var line = $"{step} {KeyOf(run)}{more}\n";
        lock (_gate)
        {
            _open[KeyOf(run)] = line;
            Guard(() =>
            {
                if (_file is null)
                {
                    _file = Rewrite(); // Writes this line and all earlier ones.
                }
                else
                {
                    _file.Write(Encoding.UTF8.GetBytes(line));
                    _lines++;
                }
            });
        }
    }

    private void Shorten() => Guard(() =>
    {
        var shorter = Rewrite();
        _file?.Dispose();
        _file = shorter;
    });

    /// <summary>A full disk is logged once and stops no run.</summary>
    private void Guard(Action write)
    {
        try
        {
            write();
            _failing = false;
        }
        catch (IOException failure)
        {
            if (!_failing)
            {
                _log.LaunchJournalFailed(_path, failure.Message);
            }

            _failing = true;
        }
    }

    private FileStream Rewrite()
    {
        var draft = _path + ".new";
        File.WriteAllText(draft, $"{Boot} {ThisProcess.Identity.Boot}\n{string.Concat(_open.Values)}");
        File.Move(draft, _path, overwrite: true);
        _lines = _open.Count;
        return new FileStream(_path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    /// <param name="Key">The run, as job/runId.</param>
    /// <param name="Pid">With the start time it names the process; 0 = not known yet.</param>
    /// <param name="User">The user that the command runs as; empty = the worker's own.</param>
    internal sealed record Launch(string Key, int Pid, long StartTicks, string User = "");
}
