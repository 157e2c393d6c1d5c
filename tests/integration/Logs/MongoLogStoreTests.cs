using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Logs;

public sealed class MongoLogStoreTests : LogStoreContract, IClassFixture<DocumentServer>
{
    private readonly DocumentServer _server;
    private readonly RecordedLog _log = new();

    public MongoLogStoreTests(DocumentServer server)
    {
        _server = server;
        Clean();
    }

    [Fact]
    public async Task The_official_Python_client_reads_the_documents_with_the_same_shape_and_types()
    {
        var store = (MongoLogStore)Open();
        await WriteAsync(store, Some.Record(0, output: "备份\n"));
        List<string> missing = [];
        await Patience.Until(
            async () =>
            {
                if (_log.CountOf("indexes of the log cannot be made") > 0)
                {
                    await WriteAsync(store, Some.Record(0, output: "备份\n")); // Each write tries to make them again.
                }

                missing = await store.FindMissingIndexesAsync();
                return !missing.Any(index => index.StartsWith("log.", StringComparison.Ordinal));
            },
            () => $"missing: {string.Join(", ", missing)}\n{_log}");

        var printed = await PythonAsync("""
            d = c.cron.log.find_one()
            times = ['planTime','scheduleTime','startTime','endTime']
            for k in ['_id','jobName','command','err','output'] + times + ['status','attempt','exitCode','expireAt']:
                print(k, type(d[k]).__name__, d[k])
            print(sorted(i['name'] for i in c.cron.log.list_indexes()))
            """);

        var record = Some.Record(0);
        Assert.Equal(
            [
                "_id str hello/20261122T100000Z", "jobName str hello", "command str echo hello", "err str ", "output str 备份", "",
                $"planTime Int64 {record.PlanTime}", $"scheduleTime Int64 {record.ScheduleTime}", $"startTime Int64 {record.StartTime}",
                $"endTime Int64 {record.EndTime}",
                "status str succeeded", "attempt int 1", "exitCode NoneType None", "expireAt datetime 2026-12-22 10:00:00",
                "['_id_', 'dts_expire', 'dts_job', 'dts_plan', 'dts_start', 'dts_status']",
            ],
            printed.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task The_original_s_records_and_those_of_its_older_shape_are_read()
    {
        await PythonAsync("""
            c.cron.log.insert_one({
                'jobName':'hello','command':'date','err':'','output':'new',
                'planTime':Int64(5000),'scheduleTime':Int64(5001),'startTime':Int64(5002),'endTime':Int64(5003)})
            c.cron.log.insert_one({
                'jobName':'hello','command':'date','err':'boom','content':'old',
                'timePoint':{'startTime':Int64(7),'endTime':Int64(8)}})
            """);

        var records = await ListAsync(Open());

        Assert.Equal(
            [("new", RunStatus.Succeeded, 5002L, 5003L), ("old", RunStatus.Failed, 7000L, 8000L)],
            records.Select(record => (record.Output, record.Status, record.StartTime, record.EndTime)).OrderBy(record => record.Output));
    }

    [Fact]
    public async Task Pages_go_on_from_a_record_of_the_original_and_miss_none_of_its_start()
    {
        await PythonAsync("""
            for n in range(5):
                c.cron.log.insert_one({'jobName':'hello','command':'date','err':'','output':'','startTime':Int64(5000 + n // 3)})
            c.cron.log.insert_one({'_id':'hello/a','jobName':'hello','status':'succeeded','startTime':Int64(5000)})
            c.cron.log.insert_one({'_id':'hello/b','jobName':'hello','status':'succeeded','startTime':Int64(5001)})
            """);
        var store = Open();

        List<string> found = [];
        for (var after = ""; after is not null;)
        {
            var page = await store.SearchAsync(
                new LogQuery(After: after.Length > 0 ? LogCursor.Parse(after) : null, Limit: 1), CancellationToken.None);
            found.AddRange(page.Records.Select(record => record.Id));
            after = page.Next;
            Assert.True(found.Count <= 7, string.Join(' ', found));
        }

        Assert.Equal(7, found.Distinct().Count());
        Assert.All(found, id => Assert.NotEqual("", id));
        Assert.Equal(["hello/b", "hello/a"], found.Where(id => id.Contains('/')));
    }

    [Fact]
    public async Task A_record_with_times_outside_the_calendar_is_read_with_the_nearest_time_in_it()
    {
        await PythonAsync("""
            beyond = 300_000_000_000_000_000
            c.cron.log.insert_one({
                '_id':'hello/far','jobName':'hello','status':'succeeded','planTime':Int64(beyond),'startTime':Int64(beyond),
                'endTime':Int64(-beyond),'expireAt':Int64(beyond)})
            c.cron.log.insert_one({
                '_id':'hello/old','jobName':'hello','timePoint':{'startTime':Int64(beyond * 30),'endTime':Int64(-1)}})
            """);

        var records = await ListAsync(Open());
        var endings = await Open().ListEndingsAsync(["hello"], 20, CancellationToken.None);

        var last = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();
        Assert.Equal([(last, 0L), (last, 0L)], records.Select(record => (record.StartTime, record.EndTime)));
        Assert.Equal([last, 0L], records.Select(record => record.ExpireAt.ToUnixTimeMilliseconds()).OrderDescending());
        Assert.Equal(2, endings.Count);
    }

    [Fact]
    public async Task A_missing_server_is_named_with_its_address_and_without_the_password()
    {
        using var store = new MongoLogStore("mongodb://somebody:secret@127.0.0.1:1/", TimeSpan.FromMilliseconds(500), _log);

        var failure = await Assert.ThrowsAsync<LogStoreException>(() => WriteAsync(store, Some.Record(0)));

        Assert.StartsWith("MongoDB at 127.0.0.1:1: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", $"{failure.Message} {_log}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Indexes_that_cannot_be_made_are_reported_once()
    {
        const string line = "indexes of the log cannot be made";
        using (var store = new MongoLogStore("mongodb://127.0.0.1:1/", TimeSpan.FromMilliseconds(100), _log))
        {
            for (var n = 0; n < 3; n++)
            {
                await Assert.ThrowsAsync<LogStoreException>(() => store.WriteAsync([Some.Record(0)], CancellationToken.None));
                await Patience.Until(() => _log.CountOf(line) > 0, _log.ToString);
            }
        }

        Assert.Equal(1, _log.CountOf(line));
    }

    [Theory]
    [InlineData("http://127.0.0.1/")]
    [InlineData("mongodb://")]
    public void A_text_that_is_no_URI_is_refused(string uri) =>
        Assert.Throws<FormatException>(() => new MongoLogStore(uri, TimeSpan.FromSeconds(1), _log));

    [Fact]
    public async Task A_document_that_is_too_large_is_refused_and_the_others_are_written()
    {
        var store = Open();
        var large = Some.Record(2, output: new string('x', 17 << 20));

        var refused = await store.WriteAsync([Some.Record(0), Some.Record(1), large, Some.Record(3)], CancellationToken.None);

        Assert.Equal(large.Id, Assert.Single(refused).What.Id);
        Assert.Equal([Some.Record(3), Some.Record(1), Some.Record(0)], await ListAsync(store));
    }

    protected override async Task RefuseAsync()
    {
        if (!_server.TryReject(Refused))
        {
            await PythonAsync(
                $"c.cron.command('collMod', 'log', validator={{'jobName': {{'$ne': '{Refused}'}}}})\n" +
                $"c.cron.command('collMod', 'output', validator={{'run': {{'$not': {{'$regex': '^{Refused}/'}}}}}})");
        }
    }

    private protected override ILogStore OpenStore() => new MongoLogStore(_server.Uri, TimeSpan.FromSeconds(5), _log);

    protected override void Clean()
    {
        _server.TryReject("");
        PythonAsync("c.cron.log.drop(); c.cron.output.drop(); c.cron.stats.drop()").GetAwaiter().GetResult();
    }

    private async Task<string> PythonAsync(string script)
    {
        var whole = $"from pymongo import MongoClient\nfrom bson.int64 import Int64\nc = MongoClient('{_server.Uri}')\n{script}";
        var start = new ProcessStartInfo("/usr/bin/python3", ["-c", whole]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var python = Process.Start(start)!;
        var (output, error) = (python.StandardOutput.ReadToEndAsync(), python.StandardError.ReadToEndAsync());
        await python.WaitForExitAsync().WaitAsync(Patience.Limit);
        Assert.True(python.ExitCode == 0, await error);
        return await output;
    }
}
