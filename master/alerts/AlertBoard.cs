using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Events;

namespace Dts.Master.Alerts;

/// <summary>What etcd has under alerts/, in memory: rules, open alerts, messages, mutes.</summary>
/// <remarks>Thread-safe; no member waits.</remarks>
internal sealed class AlertBoard(AlertKeys keys, Action<KeyChange, string> report)
{
    private readonly Lock _gate = new();
    private readonly ChangeSignal _changed = new();
    private readonly Dictionary<AlertSubject, Stored<AlertState>> _states = [];
    private readonly Dictionary<AlertSubject, AlertState> _told = []; // The open alerts that listeners know of.

    // By the rest of the key.
    private readonly SortedDictionary<string, Stored<NamedRule>> _rules = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Stored<NamedMute>> _mutes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Stored<AlertMessage>> _outbox = [];
    private readonly Dictionary<string, Stored<AlertMessage>> _recent = [];
    private readonly Dictionary<string, Stored<bool>> _sending = [];
    private readonly Dictionary<string, Stored<AlertProgress>> _progress = [];
    private readonly Dictionary<string, Stored<DateTimeOffset?>> _ledger = [];

    public AlertProgress? Progress => Locked(() => _progress.GetValueOrDefault("").Value);

    /// <summary>When a master last checked the ledger of all jobs; null = none has.</summary>
    public Stored<DateTimeOffset?> LedgerChecked => Locked(() => _ledger.GetValueOrDefault(""));

    public IReadOnlyList<NamedRule> Rules => ValuesOf(_rules);

    /// <summary>0 = there is no such rule.</summary>
    public long RevisionOfRule(string name) => Locked(() => _rules.GetValueOrDefault(name).Revision);

    /// <summary>Also those that have ended, for some time.</summary>
    public IReadOnlyList<NamedMute> Mutes => ValuesOf(_mutes);

    /// <summary>The messages of the last day.</summary>
    public IReadOnlyList<AlertMessage> Recent => ValuesOf(_recent);

    /// <summary>Messages that were neither delivered nor given up.</summary>
    public IReadOnlyList<AlertMessage> Unsent => ValuesOf(_outbox);

    /// <summary>Unsent messages that no master sends now.</summary>
    public IReadOnlyList<Stored<AlertMessage>> Waiting =>
        Locked(() => _outbox.Values.Where(message => !_sending.ContainsKey(message.Value.Id)).ToList());

    /// <summary>The states of the last day and those with open alerts.</summary>
    public IReadOnlyList<KeyValuePair<AlertSubject, AlertState>> States =>
        Locked(() => _states.Select(state => KeyValuePair.Create(state.Key, state.Value.Value)).ToList());

    public Stored<AlertState> StateOf(AlertSubject subject) =>
        Locked(() => _states.TryGetValue(subject, out var known) ? known : new Stored<AlertState>(AlertState.Well, 0));

    public IEnumerable<NamedMute> MutesOn(DateTimeOffset now) => Mutes.Where(mute => mute.Mute.IsOn(now));

    public bool IsMuted(EventSubject about, DateTimeOffset now) => MutesOn(now).Any(mute => mute.Covers(about));

    /// <inheritdoc cref="ChangeSignal.WaitForOwnWriteAsync"/>
    public Task WaitForOwnWriteAsync(Func<AlertBoard, bool> hasIt, CancellationToken cancel) =>
        _changed.WaitForOwnWriteAsync(() => hasIt(this), cancel);

    /// <summary>Takes a state that this master has written, before the watch reports it.</summary>
    public void Note(AlertSubject subject, AlertState state, long revision)
    {
        lock (_gate)
        {
            if (revision > _states.GetValueOrDefault(subject).Revision)
            {
                _states[subject] = new Stored<AlertState>(state, revision);
            }
        }
    }

    /// <summary>Forgets all states: etcd was restored or wiped, so their revisions mean nothing any more.</summary>
    public void ForgetRevisions()
    {
        lock (_gate)
        {
            _states.Clear();
        }
    }

    /// <summary>Takes changes in etcd; returns the alerts that were opened or closed.</summary>
    public IReadOnlyList<AlertStateEvent> Apply(IEnumerable<KeyChange> changes, DateTimeOffset now)
    {
        lock (_gate)
        {
            List<AlertStateEvent> turns = [.. changes.SelectMany(change => Apply(change, now))];
            _changed.Raise();
            return turns;
        }
    }

    private IEnumerable<AlertStateEvent> Apply(KeyChange change, DateTimeOffset now)
    {
        if (change.Key.StartsWith(keys.States, StringComparison.Ordinal))
        {
            return ApplyState(change);
        }

        _ = Apply(_rules, keys.Rules, change, (name, put) => NamedRule.Of(name, Read(put, AlertJson.Stored.AlertRule), now))
            || Apply(_outbox, keys.Outbox, change, (id, put) => Read(put, AlertJson.Stored.AlertMessage) with { Id = id })
            || Apply(_sending, keys.Sending, change, (_, _) => true)
            || Apply(_recent, keys.Recent, change, (_, put) => Read(put, AlertJson.Stored.AlertMessage))
            || Apply(_mutes, keys.Mutes, change, (id, put) => NamedMute.Of(id, Read(put, AlertJson.Stored.AlertMute), now))
            || Apply(_progress, keys.Progress, change, (_, put) => Read(put, AlertJson.Stored.AlertProgress))
            || Apply(_ledger, keys.Ledger, change, (_, put) => ReadTime(put));
        return [];
    }

    private IEnumerable<AlertStateEvent> ApplyState(KeyChange change)
    {
        if (keys.SubjectOf(change.Key) is not { } subject || change.ModRevision < _states.GetValueOrDefault(subject).Revision)
        {
            return []; // This master has written a later one.
        }

        var before = _told.GetValueOrDefault(subject) ?? AlertState.Well;
        var after = AlertState.Well;
        if (change is KeyChange.Put put)
        {
            TryRead(put, () => after = Read(put, AlertJson.Stored.AlertState));
            _states[subject] = new Stored<AlertState>(after, change.ModRevision);
        }
        else
        {
            _states.Remove(subject);
        }

        _told.Remove(subject);
        if (after.Open.Count > 0)
        {
            _told[subject] = after;
        }

        return after.Open.ExceptBy(before.Open.Keys, open => open.Key).Select(open => Turn("opened", subject, open))
            .Concat(before.Open.ExceptBy(after.Open.Keys, open => open.Key).Select(open => Turn("closed", subject, open)));
    }

    private static AlertStateEvent Turn(string change, AlertSubject subject, KeyValuePair<AlertEvent, OpenAlert> open) => new(
        change, open.Key, subject.Rule, subject.JobName, subject.Worker, open.Value.Since, open.Value.RunId, open.Value.Reason);

    /// <returns>False = the key is not under the prefix.</returns>
    private bool Apply<T>(IDictionary<string, Stored<T>> table, string prefix, KeyChange change, Func<string, KeyChange.Put, T> read)
    {
        if (!change.Key.StartsWith(prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var name = change.Key[prefix.Length..];
        table.Remove(name);
        if (change is KeyChange.Put put)
        {
            TryRead(put, () => table[name] = new Stored<T>(read(name, put), put.ModRevision));
        }

        return true;
    }

    private void TryRead(KeyChange.Put put, Action read)
    {
        try
        {
            read();
        }
        catch (Exception wrong) when (wrong is JsonException or FormatException)
        {
            report(put, wrong.Message);
        }
    }

    private static T Read<T>(KeyChange.Put put, JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(put.Value.Span, type) ?? throw new FormatException("the value is null; expected an object");

    private static DateTimeOffset? ReadTime(KeyChange.Put put) =>
        DateTimeOffset.TryParse(put.Value.ToStringUtf8(), CultureInfo.InvariantCulture, out var moment) ? moment : null;

    private List<T> ValuesOf<T>(IDictionary<string, Stored<T>> table) =>
        Locked(() => table.Values.Select(stored => stored.Value).ToList());

    private T Locked<T>(Func<T> read)
    {
        lock (_gate)
        {
            return read();
        }
    }
}

/// <summary>A value of a key, and the key's revision; 0 = there is no key.</summary>
internal readonly record struct Stored<T>(T Value, long Revision);
