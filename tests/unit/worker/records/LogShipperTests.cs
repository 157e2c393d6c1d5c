using System.Threading.Channels;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class LogShipperTests : IDisposable
{
    private const int BatchSize = 3;

    private static readonly TimeSpan CommitTimeout = TimeSpan.FromSeconds(1);

    private readonly ScratchFolder _scratch = new();
    private readonly RecordedLog _log = new();
    private readonly ManualTime _time = new();
    private readonly BrokenStore _store = new();
    private readonly Channel<bool> _appended = Channel.CreateBounded<bool>(1);
    private readonly Spool _spool;
    private readonly RefusedRecords _refused;
    private int _next;

    public LogShipperTests() => (_spool, _refused) = (OpenSpool(), new RefusedRecords(_scratch.File("refused")));

    public void Dispose()
    {
        _spool.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task A_full_batch_is_written_at_once()
    {
        var running = Run();
        Append(BatchSize);

        await BatchesSoon(1);
        Assert.Equal(Ids(0, 3), _store.Ids);
        await End(running);
    }

    [Fact]
    public async Task A_batch_is_written_when_its_first_record_has_waited_long_enough()
    {
        var running = Run();
        _appended.Writer.TryWrite(true);
        await Patience.Until(() => _time.TimersSet == 1, State); // So it has looked, and waits.
        Append(1);
        _time.Advance(CommitTimeout - TimeSpan.FromMilliseconds(1));
        Append(1);
        Assert.Empty(_store.Batches);

        _time.Advance(TimeSpan.FromMilliseconds(1));

        await BatchesSoon(1);
        Assert.Equal(Ids(0, 2), _store.Ids);
        await End(running);
    }

    [Fact]
    public async Task Records_of_an_earlier_process_are_written_at_once()
    {
        Append(2);
        _spool.Dispose();
        using var spool = OpenSpool();

        var running = Run(spool);

        await BatchesSoon(1);
        Assert.Equal(Ids(0, 2), _store.Ids);
        await End(running);
    }

    [Fact]
    public async Task A_store_that_was_away_gets_all_records_in_order_and_the_log_says_both_once()
    {
        _store.IsBroken = true;
        var running = Run();
        for (var tries = 1; tries <= 8; tries++)
        {
            Append(2);
            await AdvanceUntil(() => _store.Refusals >= tries);
        }

        _store.IsBroken = false;
        await AdvanceUntil(() => _store.Ids.Count == 16);
        Append(BatchSize);
        await AdvanceUntil(() => _store.Ids.Count == 19);

        Assert.Equal(Ids(0, 19), _store.Ids);
        Assert.All(_store.Batches, batch => Assert.InRange(batch.Count, 1, BatchSize));
        Assert.Equal((1, 1), (_log.CountOf("log store unavailable"), _log.CountOf("log store is back")));
        await End(running);
    }

    [Fact]
    public async Task Told_that_no_more_will_come_it_drains_at_once()
    {
        var running = Run();
        await Patience.Until(() => !running.IsCompleted, State);
        for (var i = 0; i < 4; i++)
        {
            _spool.Append([Some.Record(_next++), Some.Record(_next++)]);
        }

        _appended.Writer.TryWrite(true);
        await End(running);

        Assert.Equal(Ids(0, 8), _store.Ids);
        Assert.Equal(0, _spool.Waiting);
    }

    [Fact]
    public async Task A_store_that_is_back_just_before_the_end_gets_all_records()
    {
        _store.IsBroken = true;
        var running = Run();
        Append(BatchSize * 3 + 1);
        await TriesSoon(1);
        await Patience.Until(() => _time.TimersSet == 1, State);

        _store.IsBroken = false;
        await End(running);

        Assert.Equal(Ids(0, 10), _store.Ids);
    }

    [Fact]
    public async Task With_the_store_away_at_the_end_the_rest_stays_in_the_spool()
    {
        _store.IsBroken = true;
        var running = Run();
        Append(BatchSize + 1);
        await TriesSoon(1);

        await End(running);

        Assert.Equal(1, _log.CountOf("4 records stay in the spool"));
        _spool.Dispose();
        using var next = OpenSpool();
        Assert.Equal(Ids(0, 4), next.Read(100).Records.Select(record => record.Id));
    }

    [Fact]
    public async Task A_store_away_longer_than_the_quota_lasts_gets_every_record_once()
    {
        const int all = 100;
        var output = new string('x', 5_000);
        using var spool = Spool.Open(_scratch.File("small"), 200_000, _log);
        _store.IsBroken = true;
        var running = Run(spool);
        for (var n = 0; n < all; n++)
        {
            spool.Append([Some.Record(n, output: output)]);
            _appended.Writer.TryWrite(true);
        }

        await TriesSoon(1);
        _store.IsBroken = false;
        await AdvanceUntil(() => _store.Ids.Count == all);
        await End(running);

        var records = _store.Batches.SelectMany(batch => batch).ToList();
        Assert.Equal(Ids(0, all), records.Select(record => record.Id));
        Assert.True(records.Count(record => record.OutputTruncated) > all / 2, State());
        Assert.Equal(output, records[^1].Output);
        Assert.All(
            records,
            record => Assert.True(
                record.Output == output || (record.OutputTruncated && record.Output.Contains("bytes cut", StringComparison.Ordinal))));
        Assert.Equal(1, _log.CountOf("has reached its quota"));
    }

    [Fact]
    public async Task A_refused_record_is_put_aside_and_named_and_the_others_are_shipped()
    {
        var refused = Some.Record(1).Id;
        _store.Refuses = id => id == refused ? "Document failed validation" : null;
        var running = Run();
        Append(BatchSize * 2);

        await BatchesSoon(2);
        await End(running);

        Assert.Equal([.. Ids(0, 1), .. Ids(2, 6)], _store.Ids);
        var file = Assert.Single(Directory.GetFiles(_refused.Folder));
        Assert.Contains("Document failed validation", await File.ReadAllTextAsync(file));
        Assert.Contains($"\"_id\":\"{refused}\"", await File.ReadAllTextAsync(file));
        Assert.Equal(
            1, _log.CountOf($"{refused}: the log store refuses the record (Document failed validation); the record is kept in {file}"));
        Assert.Equal((1, 0, 0L), (_refused.Kept, _log.CountOf("log store unavailable"), _spool.Waiting));
    }

    [Fact]
    public async Task Any_number_of_refused_records_is_kept_and_the_others_are_shipped()
    {
        var refused = new RefusedRecords(_scratch.File("refused"), filesMax: 2);
        _store.Refuses = id => id == Some.Record(8).Id ? null : "Document failed validation";
        var running = Run(refused: refused);
        _spool.Append([.. Enumerable.Range(0, 9).Select(n => Some.Record(n, output: new string('x', 5_000)))]);
        _appended.Writer.TryWrite(true);

        await AdvanceUntil(() => _store.Ids.Count == 1);
        await End(running);

        var rest = await File.ReadAllLinesAsync(Path.Combine(refused.Folder, "more.jsonl"));
        Assert.Equal(3, Directory.GetFiles(refused.Folder).Length);
        Assert.Equal(
            Ids(2, 8),
            rest.Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("what").GetProperty("_id").GetString()!));
        Assert.All(rest, line => Assert.InRange(line.Length, 1, 2_000));
        Assert.Equal((8, 8, 0L), (refused.Kept, RefusedRecords.Count(refused.Folder), _spool.Waiting));
    }

    [Fact]
    public async Task Without_room_for_refused_records_nothing_is_dropped_and_the_disk_is_blamed()
    {
        await File.WriteAllTextAsync(_refused.Folder, "in the way");
        _store.Refuses = id => id == Some.Record(1).Id ? "Document failed validation" : null;
        var running = Run();
        Append(BatchSize);
        await AdvanceUntil(() => _log.CountOf("this host's disk blocks the shipping of records") == 1);
        Assert.Equal(BatchSize, _spool.Waiting);

        File.Delete(_refused.Folder);
        await AdvanceUntil(() => _log.CountOf("shipping of records has resumed") == 1);
        await End(running);

        Assert.Equal((1, 0, 0L), (_refused.Kept, _log.CountOf("log store unavailable"), _spool.Waiting));
    }

    private static IEnumerable<string> Ids(int from, int to) => Enumerable.Range(from, to - from).Select(n => Some.Record(n).Id);

    private Spool OpenSpool() => Spool.Open(_scratch.File("spool"), 1 << 30, _log);

    private Task Run(Spool? spool = null, RefusedRecords? refused = null) =>
        Task.Run(
            new LogShipper(spool ?? _spool, refused ?? _refused, _store, _appended.Reader, BatchSize, CommitTimeout, _time, _log).RunAsync);

    private void Append(int count)
    {
        _spool.Append([.. Enumerable.Range(_next, count).Select(n => Some.Record(n))]);
        _next += count;
        _appended.Writer.TryWrite(true);
    }

    private Task BatchesSoon(int count) => Patience.Until(() => _store.Batches.Count >= count, State);

    private Task TriesSoon(int count) => Patience.Until(() => _store.Refusals >= count, State);

    private Task AdvanceUntil(Func<bool> condition) => Patience.Until(
        () =>
        {
            _time.Advance(CommitTimeout);
            return condition();
        },
        State);

    private async Task End(Task running)
    {
        _appended.Writer.Complete();
        await running.WaitAsync(Patience.Limit);
    }

    private string State() =>
        $"{_store.Batches.Count} batches, {_store.Refusals} refusals, {_spool.Waiting} waiting, {_time.TimersSet} timers\n{_log}";
}
