using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Google.Protobuf;

namespace Dts.Tests.Unit.Upgrade;

/// <summary>Reads values of etcd with the product's readers.</summary>
internal static class EtcdReaders
{
    private static readonly Keys Keys = new(Keys.DefaultPrefix);

    /// <summary>Reads a value and writes it again.</summary>
    /// <exception cref="FormatException">Its reader refuses it.</exception>
    public static string Read(string key, string value)
    {
        var json = Encoding.UTF8.GetBytes(value);
        return key[Keys.DefaultPrefix.Length..].Split('/') switch
        {
            ["jobs", _] => JobJson.TryParse(json, out var job, out var why) ? JobJson.ToJson(job) : throw Refused(why),
            ["fired", ..] => Cursor.TryParse(value, out var cursor) ? cursor.ToString() : throw Refused("not a cursor"),
            ["runs", _, var id] => Documents.TryReadInFlight(id, json, out var run, out var why)
                ? JsonSerializer.Serialize(run, JobsJson.Readable.ClaimedRun) : throw Refused(why),
            ["queue", _, var id] => Documents.TryReadQueued(id, json, out var run, out var why)
                ? JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec) : throw Refused(why),
            ["owed", _, var id] => Documents.TryReadOwed(id, json, out var owed, out var why)
                ? JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding) : throw Refused(why),
            ["history", _] => Documents.TryReadHistory(json, out var changes, out var why)
                ? JsonSerializer.Serialize(changes, JobsJson.Readable.IReadOnlyListScheduleChange) : throw Refused(why),
            ["killer", ..] => Keys.TryParseKiller(key) is not null ? value : throw Refused("not a kill request"),
            ["versions", _, _] => SavedVersion.TryRead(json, out var why) is { } version
                ? JsonSerializer.Serialize(version, VersionsJson.Readable.SavedVersion) : throw Refused(why),
            ["requests", _, _] => Again(json, RequestsJson.Default.RequestMark),
            ["workers", _] => WorkerRegistration.Parse(json) is { } worker
                ? JsonSerializer.Serialize(worker, JobsJson.Readable.WorkerRegistration) : throw Refused("not a registration"),
            ["alerts", ..] => ReadAlert(key, value),
            ["access", var kind, _] => ReadAccess(kind, key, value),
            ["drained", _] or ["lock", _] => value,
            _ => throw Refused("no reader is known; add it here"),
        };
    }

    private static FormatException Refused(string why) => new(why);

    private static string Again<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type) =>
        JsonSerializer.Serialize(JsonSerializer.Deserialize(json, type)!, type);

    private static string ReadAlert(string key, string value)
    {
        var keys = new AlertKeys(Keys);
        var board = new AlertBoard(keys, (_, why) => throw Refused(why));
        board.Apply([Put(key, value)], DateTimeOffset.UtcNow);
        var json = AlertJson.Readable;
        return key[keys.All.Length..].Split('/')[0] switch
        {
            "rules" => JsonSerializer.Serialize(board.Rules.Single().Rule, json.AlertRule),
            "state" => JsonSerializer.Serialize(board.States.Single().Value, json.AlertState),
            "outbox" => JsonSerializer.Serialize(board.Unsent.Single(), json.AlertMessage),
            "recent" => JsonSerializer.Serialize(board.Recent.Single(), json.AlertMessage),
            "mutes" => JsonSerializer.Serialize(board.Mutes.Single().Mute, json.AlertMute),
            "progress" => JsonSerializer.Serialize(board.Progress!, json.AlertProgress),
            "ledger" => board.LedgerChecked.Value is not null ? value : throw Refused("not a time"),
            "sending" => value,
            _ => throw Refused("no reader is known; add it here"),
        };
    }

    private static string ReadAccess(string kind, string key, string value)
    {
        var table = new AccessTable(Keys, TimeProvider.System);
        table.Apply([Put(key, value)], (_, why) => throw Refused(why));
        return kind switch
        {
            "people" => JsonSerializer.Serialize(table.People.Single().Value, AccessJson.Readable.Person),
            "tokens" => JsonSerializer.Serialize(table.Tokens.Single().Value, AccessJson.Readable.AccessToken),
            "used" => JsonSerializer.Serialize(table.TokenUses.Single().Value, AccessJson.Readable.TokenUse),
            "sessions" => Again(Encoding.UTF8.GetBytes(value), AccessJson.Readable.Session),
            _ => throw Refused("no reader is known; add it here"),
        };
    }

    private static KeyChange.Put Put(string key, string value) =>
        new(key, ModRevision: 2, CreateRevision: 2, Lease: default, ByteString.CopyFromUtf8(value));
}
