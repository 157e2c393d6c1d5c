using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Events;

namespace Dts.Master.Alerts;

/// <summary>What etcd has under alerts/: rules, what is wrong, messages, mutes.</summary>
/// <remarks>Thread-safe; no member waits.</remarks>
internal sealed class AlertBoard(AlertKeys keys, Action<KeyChange, string> report)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, NamedRule> _rules = new(StringComparer.Ordinal);
    private readonly Dictionary<AlertSubject, Known<AlertState>> _states = [];
    private readonly Dictionary<AlertSubject, AlertState> _told = []; // What listeners know to be wrong.
    private readonly Dictionary<string, Known<AlertMessage>> _outbox = [];
    private readonly HashSet<string> _sending = [];
    private readonly Dictionary<string, AlertMessage> _recent = [];
    private readonly SortedDictionary<string, NamedMute> _mutes = new(StringComparer.Ordinal);
    private Known<DateTimeOffset?> _ledgerLook;

    public AlertProgress? Progress { get; private set; }

    /// <summary>When a master last looked into the ledger; null = none has.</summary>
    public Known<DateTimeOffset?> LedgerLook => Take(() => _ledgerLook);

    public IReadOnlyList<NamedRule> Rules => Take(() => _rules.Values.ToList());

    public IReadOnlyList<NamedMute> Mutes => Take(() => _mutes.Values.ToList());

    public IReadOnlyList<AlertMessage> Recent => Take(() => _recent.Values.ToList());

    /// <summary>What is wrong, or was within the last day.</summary>
    public IReadOnlyList<KeyValuePair<AlertSubject, AlertState>> States =>
        Take(() => _states.Select(state => KeyValuePair.Create(state.Key, state.Value.Value)).ToList());

    /// <summary>Messages that have not been delivered, nor given up.</summary>
    public IReadOnlyList<AlertMessage> Unsent => Take(() => _outbox.Values.Select(message => message.Value).ToList());

    /// <summary>Those of them that nobody sends now.</summary>
    public IReadOnlyList<Known<AlertMessage>> Waiting =>
        Take(() => _outbox.Values.Where(message => !_sending.Contains(message.Value.Id)).ToList());

    /// <summary>A state and its revision; 0 = it is well and has no key.</summary>
    public Known<AlertState> StateOf(AlertSubject subject) =>
        Take(() => _states.TryGetValue(subject, out var known) ? known : new Known<AlertState>(AlertState.Well, 0));

    public bool IsMuted(EventSubject about, DateTimeOffset now) =>
        Take(() => _mutes.Values.Any(mute => mute.Mute.IsOn(now) && mute.Filter.Of(about) == Sight.Whole));

    /// <summary>Takes a state that this master has written itself, before the watch tells of it.</summary>
    public void Note(AlertSubject subject, AlertState state, long revision) => Take(() =>
    {
        if (revision > _states.GetValueOrDefault(subject).Revision)
        {
            _states[subject] = new Known<AlertState>(state, revision);
        }

        return true;
    });

    /// <summary>etcd was restored or wiped: revisions that are known mean nothing there.</summary>
    public void ForgetRevisions() => Take(() =>
    {
        _states.Clear();
        return true;
    });

    /// <summary>Takes changes in etcd; returns what has become wrong, or well.</summary>
    public IReadOnlyList<AlertStateEvent> Apply(IEnumerable<KeyChange> changes, DateTimeOffset now) => Take(() =>
    {
        List<AlertStateEvent> turns = [];
        foreach (var change in changes)
        {
            turns.AddRange(Apply(change, now));
        }

        return turns;
    });

    private List<AlertStateEvent> Apply(KeyChange change, DateTimeOffset now)
    {
        var key = change.Key;
        if (key.StartsWith(keys.States, StringComparison.Ordinal))
        {
            return ApplyState(change);
        }

        if (key.StartsWith(keys.Rules, StringComparison.Ordinal))
        {
            Keep(_rules, key[keys.Rules.Length..], change, AlertJson.Readable.AlertRule, (name, rule) =>
                rule.FindFault(now) is { } fault ? throw new FormatException(fault) : new NamedRule(name, rule, rule.ReadFilter(now)));
        }
        else if (key.StartsWith(keys.Outbox, StringComparison.Ordinal))
        {
            Keep(_outbox, key[keys.Outbox.Length..], change, AlertJson.Readable.AlertMessage, (id, message) =>
                new Known<AlertMessage>(message with { Id = id }, change.ModRevision));
        }
        else if (key.StartsWith(keys.Sending, StringComparison.Ordinal))
        {
            _ = change is KeyChange.Put ? _sending.Add(key[keys.Sending.Length..]) : _sending.Remove(key[keys.Sending.Length..]);
        }
        else if (key.StartsWith(keys.Recent, StringComparison.Ordinal))
        {
            Keep(_recent, key[keys.Recent.Length..], change, AlertJson.Readable.AlertMessage, (_, message) => message);
        }
        else if (key.StartsWith(keys.Mutes, StringComparison.Ordinal))
        {
            Keep(_mutes, key[keys.Mutes.Length..], change, AlertJson.Readable.AlertMute, (id, mute) =>
                new NamedMute(id, mute, mute.ReadFilter(now)));
        }
        else if (key == keys.Ledger)
        {
            _ledgerLook = change is KeyChange.Put put && DateTimeOffset.TryParse(
                put.Value.ToStringUtf8(), CultureInfo.InvariantCulture, out var looked)
                ? new Known<DateTimeOffset?>(looked, change.ModRevision)
                : new Known<DateTimeOffset?>(null, change is KeyChange.Put ? change.ModRevision : 0);
        }
        else if (key == keys.Progress && TryRead(change, AlertJson.Readable.AlertProgress, out var progress))
        {
            Progress = progress;
        }

        return [];
    }

    private List<AlertStateEvent> ApplyState(KeyChange change)
    {
        if (keys.SubjectOf(change.Key) is not { } subject || change.ModRevision < _states.GetValueOrDefault(subject).Revision)
        {
            return []; // This master has written a later one.
        }

        var before = _told.GetValueOrDefault(subject) ?? AlertState.Well;
        var after = TryRead(change, AlertJson.Readable.AlertState, out var read) ? read : AlertState.Well;
        if (change is KeyChange.Put)
        {
            _states[subject] = new Known<AlertState>(after, change.ModRevision);
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

        return
        [
            .. after.Open.Where(open => !before.Open.ContainsKey(open.Key)).Select(open => Turn("opened", subject, open)),
            .. before.Open.Where(open => !after.Open.ContainsKey(open.Key)).Select(open => Turn("closed", subject, open)),
        ];
    }

    private static AlertStateEvent Turn(string change, AlertSubject subject, KeyValuePair<AlertEvent, OpenAlert> open) => new(
        change, open.Key, subject.Rule, subject.JobName, subject.Worker, open.Value.Since, open.Value.RunId, open.Value.Reason);

    private void Keep<TRead, TKept>(
        IDictionary<string, TKept> table, string name, KeyChange change, JsonTypeInfo<TRead> type, Func<string, TRead, TKept> keep)
        where TRead : class
    {
        table.Remove(name);
        if (!TryRead(change, type, out var read))
        {
            return;
        }

        try
        {
            table[name] = keep(name, read);
        }
        catch (FormatException wrong)
        {
            report(change, wrong.Message);
        }
    }

    private bool TryRead<T>(KeyChange change, JsonTypeInfo<T> type, [NotNullWhen(true)] out T? read)
        where T : class
    {
        read = null;
        try
        {
            read = change is KeyChange.Put put ? JsonSerializer.Deserialize(put.Value.Span, type) : null;
        }
        catch (JsonException wrong)
        {
            report(change, wrong.Message);
        }

        return read is not null;
    }

    private T Take<T>(Func<T> take)
    {
        lock (_gate)
        {
            return take();
        }
    }
}

/// <param name="Revision">0 = it has no key.</param>
internal readonly record struct Known<T>(T Value, long Revision);

internal sealed record NamedRule(string Name, AlertRule Rule, EventFilter Filter);

internal sealed record NamedMute(string Id, AlertMute Mute, EventFilter Filter);
