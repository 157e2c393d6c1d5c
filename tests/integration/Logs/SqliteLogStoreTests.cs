using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Tests.Support;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Dts.Tests.Integration.Logs;

public sealed class SqliteLogStoreTests : LogStoreContract
{
    private readonly ScratchFolder _scratch = new();

    private string Path => _scratch.File("log.db");

    [Fact]
    public async Task It_survives_its_process()
    {
        using (var first = new SqliteLogStore(Path))
        {
            await WriteAsync(first, Some.Record(0));
        }

        Assert.Single(await ListAsync(Open()));
    }

    [Fact]
    public async Task Its_folder_is_made_when_it_is_first_needed()
    {
        using var store = new SqliteLogStore(_scratch.File("new/folder/log.db"));
        Assert.False(Directory.Exists(_scratch.File("new")));

        await WriteAsync(store, Some.Record(0));

        Assert.Single(await ListAsync(store));
    }

    [Fact]
    public async Task A_master_without_a_file_shows_an_empty_log_and_makes_no_file()
    {
        using var reader = new SqliteLogReader(Path);

        Assert.Empty(await reader.ListAsync(JobName.Parse("hello"), 0, 10, CancellationToken.None));
        Assert.Empty(await reader.ReadOutputAsync("hello/1", 0, 10, CancellationToken.None));
        Assert.False(File.Exists(Path));

        File.Create(Path).Dispose(); // A worker has made the file, and no table yet.
        Assert.Empty(await reader.ListAsync(JobName.Parse("hello"), 0, 10, CancellationToken.None));
    }

    [Fact]
    public async Task The_runs_of_a_job_with_one_ending_are_looked_for_among_its_own_and_not_among_all_with_that_ending()
    {
        await WriteAsync(Open(), Some.Record(0));
        var conditions = SqliteConditions.Of(new LogQuery(Job: "hello", Status: RunStatus.Succeeded, Limit: 1));
        using var connection = new SqliteConnection($"Data Source={Path}");
        connection.Open();

        var plan = connection.Rows(
            $"explain query plan {conditions.LatestOf("record")}", [.. conditions.Parameters, ("$limit", 1)], row => row.GetString(3));

        Assert.StartsWith("SEARCH log USING INDEX log_job ", Assert.Single(plan), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/proc/no-such-folder/log.db")]
    [InlineData("/dev/null/log.db")]
    public async Task A_path_that_cannot_be_written_is_reported(string path)
    {
        using var store = new SqliteLogStore(path);

        var failure = await Assert.ThrowsAsync<LogStoreException>(() => WriteAsync(store, Some.Record(0)));

        Assert.StartsWith($"log file {path}: ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_log_is_reported_and_left_unchanged()
    {
        var text = new string('x', 5000);
        await File.WriteAllTextAsync(Path, text);

        await Assert.ThrowsAsync<LogStoreException>(() => WriteAsync(Open(), Some.Record(0)));

        Assert.Equal(text, await File.ReadAllTextAsync(Path));
    }

    [Fact]
    public async Task It_works_once_its_path_has_been_mended()
    {
        var store = Open();
        Directory.CreateDirectory(Path); // where the file should be
        await Assert.ThrowsAsync<LogStoreException>(() => ListAsync(store));
        Directory.Delete(Path);

        await WriteAsync(store, Some.Record(0));

        Assert.Single(await ListAsync(store));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // mv, with another in its place
    public async Task A_file_that_is_removed_or_moved_away_is_replaced_and_no_record_is_lost(bool isReplaced)
    {
        var (writer, reader) = (Open(), Open());
        await WriteAsync(writer, Some.Record(0));
        Assert.Single(await ListAsync(reader));

        File.Move(Path, _scratch.File("moved.db"));
        if (isReplaced)
        {
            using var another = new SqliteLogStore(Path);
            await WriteAsync(another, Some.Record(1));
        }

        await WriteAsync(writer, Some.Record(2));

        Assert.Equal(isReplaced ? [Some.Record(2), Some.Record(1)] : [Some.Record(2)], await ListAsync(reader));
    }

    [Fact]
    public async Task An_abandoned_query_ends_and_others_are_answered_beside_it()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0));
        using var file = new SqliteFile(Path);
        using var gone = new CancellationTokenSource();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var endless = file.ReadAsync(
            connection =>
            {
                connection.CreateFunction("begun", (long i) =>
                {
                    begun.TrySetResult();
                    return i;
                });
                using var command = connection.CreateCommand();
                command.CommandText = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(begun(i)) from n";
                return command.ExecuteScalar();
            },
            gone.Token);
        await begun.Task.WaitAsync(Patience.Limit);

        Assert.Equal(1, await file.ReadAsync(_ => 1, CancellationToken.None).Soon());
        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless.Soon());
    }

    [Fact]
    public async Task Expired_records_go_a_thousand_at_a_time_and_others_stay()
    {
        var store = Open();
        await WriteAsync(store, [.. Enumerable.Range(0, 1500).Select(n => Some.Record(n) with { ExpireAt = Some.Now.AddSeconds(-1) })]);
        await WriteAsync(store, Some.Record(2000) with { ExpireAt = Some.Now.AddSeconds(1) });

        Assert.Equal(1000, await store.RemoveExpiredAsync(Some.Now, CancellationToken.None));
        Assert.Equal(500, await store.RemoveExpiredAsync(Some.Now, CancellationToken.None));
        Assert.Equal(0, await store.RemoveExpiredAsync(Some.Now, CancellationToken.None));
        Assert.Equal([Some.Record(2000).Id], (await ListAsync(store)).Select(record => record.Id));
    }

    [Theory]
    [InlineData("no JSON")]
    [InlineData("{\"jobName\":\"hello\",\"status\":\"postponed\"}")] // Of another version.
    [InlineData("{\"jobName\":1,\"output\":2}")]
    public async Task A_record_takes_the_place_of_one_that_cannot_be_read_and_only_it_is_counted(string unreadable)
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0, status: RunStatus.Lost));
        await ExecuteAsync($"update log set record = '{unreadable}'");

        await WriteAsync(store, Some.Record(0), Some.Record(1));

        Assert.Equal([Some.Record(1), Some.Record(0)], await ListAsync(store));
        var day = Assert.Single(await store.ListStatsAsync(JobName.Parse("hello"), new DateOnly(2026, 11, 22), CancellationToken.None));
        Assert.Equal((1, 2), (day.Counts["lost"], day.Counts["succeeded"]));
    }

    [Fact]
    public async Task A_full_disk_is_reported_as_such()
    {
        await using var disk = await SmallDisk.MountAsync(_scratch.File("disk"), kilobytes: 512);
        using var store = new SqliteLogStore(System.IO.Path.Combine(disk.Path, "log.db"));
        await WriteAsync(store, Some.Record(0));
        disk.Fill();

        var failure = await Assert.ThrowsAsync<LogStoreException>(
            () => WriteAsync(store, [.. Enumerable.Range(1, 50).Select(n => Some.Record(n, output: new string('x', 10_000)))]));

        Assert.Contains("database or disk is full", failure.Message, StringComparison.Ordinal);
        disk.Free();
        await WriteAsync(store, Some.Record(1));
    }

    protected override Task RefuseAsync() => ExecuteAsync($"""
        create trigger no_records before insert on log when new.jobName = '{Refused}'
        begin select raise(abort, 'no such job'); end;
        create trigger no_output before insert on output when new.run like '{Refused}/%'
        begin select raise(abort, 'no such job'); end;
        """);

    private async Task ExecuteAsync(string sql)
    {
        using var file = new SqliteFile(Path, _ => { });
        using var writer = new SqliteWriter(file);
        await writer.WriteAsync(connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = sql;
            return command.ExecuteNonQuery();
        });
    }

    private protected override ILogStore OpenStore() => new SqliteLogStore(Path);

    protected override void Clean() => _scratch.Dispose();
}
