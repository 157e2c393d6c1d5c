using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Logs;

/// <summary>What every log store does; a store's test class is a subclass that opens it.</summary>
public abstract class LogStoreContract : IDisposable
{
    private readonly List<ILogStore> _open = [];

    [Fact]
    public async Task A_record_comes_back_as_it_was_written()
    {
        var store = Open();
        var record = Some.Record(0, output: "a\n\t\"b\" <c> 备份 \ud83d\udd50 \u0001\n") with
        {
            Status = RunStatus.Failed,
            Err = "exit status 3",
            ExitCode = 3,
            Signal = null,
            Host = "host",
            Attempt = 2,
            JobRevision = long.MaxValue,
            FencingToken = 7,
            CpuMs = 8,
            MaxRssKb = 9,
            OutputBytes = 10_000_000_000,
            OutputTruncated = true,
            MissedCount = 11,
        };

        await WriteAsync(store, record);

        Assert.Equal([record], await ListAsync(store));
    }

    [Fact]
    public async Task Writing_twice_is_harmless()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0), Some.Record(1), Some.Record(0));
        await WriteAsync(store, Some.Record(1), Some.Record(0));

        Assert.Equal([Some.Record(1), Some.Record(0)], await ListAsync(store));
    }

    [Fact]
    public async Task Lost_never_replaces_another_ending()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0));
        await WriteAsync(store, Some.Record(0, status: RunStatus.Lost));

        Assert.Equal([Some.Record(0)], await ListAsync(store));
    }

    [Theory]
    [InlineData(RunStatus.Succeeded)]
    [InlineData(RunStatus.Killed)]
    [InlineData(RunStatus.Lost)]
    public async Task Lost_is_replaced_by_every_ending_that_somebody_saw(RunStatus status)
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0, status: RunStatus.Lost), Some.Record(0, status: status));

        Assert.Equal([status], (await ListAsync(store)).Select(record => record.Status));
    }

    [Fact]
    public async Task A_later_writing_replaces_an_earlier_one_with_all_that_is_sorted_by()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0), Some.Record(1));
        var later = Some.Record(0) with { StartTime = Some.Record(2).StartTime, Output = "more" };
        await WriteAsync(store, later);

        Assert.Equal([later, Some.Record(1)], await ListAsync(store));
    }

    [Fact]
    public async Task Newest_first_and_of_one_start_the_later_id_first()
    {
        var store = Open();
        var twin = Some.Record(3) with { StartTime = Some.Record(5).StartTime };
        await WriteAsync(store, Some.Record(5), Some.Record(0), twin, Some.Record(9), Some.Record(2));

        Assert.Equal([Some.Record(9), Some.Record(5), twin, Some.Record(2), Some.Record(0)], await ListAsync(store));
    }

    [Fact]
    public async Task Only_the_job_that_was_asked_for_is_listed()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0, "hello"), Some.Record(1, "hello2"), Some.Record(2, "HELLO"), Some.Record(3, "备份"));

        Assert.Equal(["hello"], (await ListAsync(store, "hello")).Select(record => record.JobName));
        Assert.Equal(["备份"], (await ListAsync(store, "备份")).Select(record => record.JobName));
        Assert.Empty(await ListAsync(store, "hell"));
        Assert.Empty(await ListAsync(store, "%"));
    }

    [Theory]
    [InlineData(0, 3, new[] { 9, 8, 7 })]
    [InlineData(3, 3, new[] { 6, 5, 4 })]
    [InlineData(8, 5, new[] { 1, 0 })]
    [InlineData(10, 5, new int[0])]
    [InlineData(0, 0, new int[0])]
    [InlineData(0, 1000, new[] { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 })]
    public async Task Skip_and_limit_cut_the_list(int skip, int limit, int[] runs)
    {
        var store = Open();
        await WriteAsync(store, [.. Enumerable.Range(0, 10).Select(n => Some.Record(n))]);

        var listed = await store.ListAsync(JobName.Parse("hello"), skip, limit, CancellationToken.None);

        Assert.Equal(runs.Select(n => Some.Record(n).Id), listed.Select(record => record.Id));
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

    [Fact]
    public async Task Nothing_to_write_is_no_failure()
    {
        var store = Open();
        await WriteAsync(store);

        Assert.Empty(await ListAsync(store));
    }

    [Fact]
    public async Task What_one_writes_another_reads_at_once()
    {
        var (writer, reader) = (Open(), Open());
        await WriteAsync(writer, Some.Record(0));
        Assert.Single(await ListAsync(reader));
        await WriteAsync(reader, Some.Record(1));
        Assert.Equal(2, (await ListAsync(writer)).Count);
    }

    [Fact]
    public async Task Several_write_and_read_at_once_and_nothing_is_lost()
    {
        const int writers = 4;
        const int batches = 15;
        var stores = Enumerable.Range(0, writers).Select(_ => Open()).ToList();
        using var done = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            for (var before = 0; !done.IsCancellationRequested;)
            {
                var now = (await ListAsync(stores[0])).Count;
                Assert.True(now >= before, $"{now} after {before}");
                before = now;
            }
        });

        await Task.WhenAll(stores.Select((store, w) => Task.Run(async () =>
        {
            for (var b = 0; b < batches; b++)
            {
                await WriteAsync(store, [.. Enumerable.Range(0, 10).Select(n => Some.Record((((w * batches) + b) * 10) + n))]);
            }
        })));

        await done.CancelAsync();
        await reading;
        Assert.Equal(writers * batches * 10, (await ListAsync(stores[^1])).Count);
    }

    public void Dispose()
    {
        _open.ForEach(store => store.Dispose());
        Clean();
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens the store that this test uses; more than once, as several processes would.</summary>
    protected abstract ILogStore OpenStore();

    /// <summary>Removes it.</summary>
    protected abstract void Clean();

    private protected static Task WriteAsync(ILogStore store, params RunRecord[] records) => store.WriteAsync(records, CancellationToken.None);

    private protected static Task<IReadOnlyList<RunRecord>> ListAsync(ILogStore store, string job = "hello") =>
        store.ListAsync(JobName.Parse(job), 0, 100_000, CancellationToken.None);

    private protected ILogStore Open()
    {
        var store = OpenStore();
        _open.Add(store);
        return store;
    }
}
