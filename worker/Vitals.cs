using System.Globalization;
using System.Threading.Channels;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Dts.Worker.Watches;

namespace Dts.Worker;

/// <summary>How this worker stands, and the proof that its loops turn.</summary>
internal sealed class Vitals(ChannelWriter<ScheduleMessage> inbox, SessionKeeper sessions, Slots slots, Spool spool, RefusedRecords refused)
{
    private Pulse _last = new();

    /// <summary>
    /// Sends a pulse through the loops and waits until it comes out. When the worker is stopping there is nothing to prove: the loops end,
    /// or TimeoutStopSec is over.
    /// </summary>
    public async Task ProveAsync(CancellationToken cancel)
    {
        var pulse = new Pulse();
        if (await new ScheduleMessage.Beat(pulse).TrySendAsync(inbox, cancel))
        {
            await pulse.Out.WaitAsync(cancel);
            _last = pulse;
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
        return $"{_last.Jobs} jobs; {_last.Running} of {slots.Total} slots running; {lag}; {session}; "
            + $"{spool.Waiting} records wait in the spool{held}";
    }
}
