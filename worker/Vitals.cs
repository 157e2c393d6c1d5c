using System.Globalization;
using Dts.Worker.Fires;
using Dts.Worker.Records;
using Dts.Worker.Sessions;

namespace Dts.Worker;

/// <summary>The state of this worker for systemd, and the proof that its loop runs.</summary>
internal sealed class Vitals(FireInbox inbox, SessionKeeper sessions, Spool spool, RefusedRecords refused)
{
    private FireFigures _last;

    /// <summary>
    /// Asks the loop for its figures, and waits for the answer. A worker that is stopping has nothing to prove: its loop ends, or
    /// systemd's TimeoutStopSec ends it.
    /// </summary>
    public async Task ProveAsync(CancellationToken cancel)
    {
        var answer = new TaskCompletionSource<FireFigures>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (await inbox.TrySendAsync(new FireEvent.Probe(answer), cancel))
        {
            _last = await answer.Task.WaitAsync(cancel);
        }
    }

    public string Describe()
    {
        var session = sessions.Current switch
        {
            { Holds: true } => "session held",
            null => "no session",
            _ => "session in doubt: etcd does not answer",
        };
        var lag = _last.LagMs is { } ms ? string.Create(CultureInfo.InvariantCulture, $"last start {ms:F1} ms late") : "no start yet";
        var held = refused.Kept > 0 ? $"; {refused.Kept} records that the log store refuses are in {refused.Folder}" : "";
        return $"{_last.Jobs} jobs; {_last.Running} of {_last.Slots} slots running; {lag}; {session}; "
            + $"{spool.Waiting} records wait in the spool{held}";
    }
}
