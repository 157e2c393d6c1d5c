using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Xunit;

namespace Dts.Tests.Integration.Logs;

/// <summary>What every log store does; a store's test class is a subclass that opens it.</summary>
public abstract class LogStoreContract : IDisposable
{
    protected const string Refused = "refused";

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
            PeakMemoryBytes = 9_000_000_000,
            OomKilled = true,
            OutputBytes = 10_000_000_000,
            OutputTruncated = true,
            MissedCount = 11,
            LastLine = "a 备份",
            Cause = "first/20261122T100000Z",
        };

        await WriteAsync(store, record);

        Assert.Equal([record], await ListAsync(store));
    }

    [Fact]
    public async Task The_processes_of_a_killed_run_come_back_and_a_record_without_them_has_none()
    {
        var store = Open();
        RunProcess[] processes =
        [
            new(7, 1, "S", "/bin/bash -c 备份 \"x\" ␛", 12, 3456, "do_wait"),
            new(4_194_304, 7, "D", "", 9_000_000_000, 9_000_000_001, ""),
        ];

        await WriteAsync(store, Some.Record(0), Some.Record(1, status: RunStatus.Killed) with { Processes = processes });

        var found = await ListAsync(store);
        Assert.Equal(processes, found[0].Processes!);
        Assert.Null(found[1].Processes);
    }

    [Fact]
    public async Task Lists_leave_out_the_processes_of_runs_which_may_be_long()
    {
        var store = Open();
        var killed = Some.Record(0, status: RunStatus.Killed) with
        {
            LastLine = "hello", Processes = [new RunProcess(7, 1, "S", new string('x', 60_000), 0, 0, "")],
        };
        await WriteAsync(store, killed, killed with { Id = Some.Record(1).Id, LastLine = "", OutputBytes = 6 });

        var page = await store.SearchAsync(new LogQuery(), CancellationToken.None);
        var whole = await store.SearchAsync(new LogQuery(Output: true), CancellationToken.None);
        var planned = await store.ListPlannedAsync(JobName.Parse("hello"), Some.Now, Some.Now.AddDays(1), CancellationToken.None);

        Assert.Equal(6, page.Records.Concat(whole.Records).Concat(planned).Count(record => record.Processes is null));
        Assert.Single((await store.FindAsync(killed.Id, CancellationToken.None))!.Processes!);
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
    [InlineData(RunStatus.Missed)]
    public async Task An_owed_ending_never_replaces_the_one_that_its_worker_saw(RunStatus status)
    {
        var store = Open();
        var (first, second) = (Some.Record(0) with { ExitCode = 0 }, Some.Record(1) with { ExitCode = 0 });
        await WriteAsync(store, first);
        await WriteAsync(store, Owed(0, status), second, Owed(1, status));

        Assert.Equal([second, first], await ListAsync(store));
    }

    [Fact]
    public async Task An_owed_ending_is_replaced_by_the_one_that_its_worker_saw()
    {
        var store = Open();
        var (first, second) = (Some.Record(0) with { ExitCode = 0 }, Some.Record(1) with { ExitCode = 0 });
        await WriteAsync(store, Owed(0), Owed(1), second);
        await WriteAsync(store, first);

        Assert.Equal([second, first], await ListAsync(store));
    }

    [Fact]
    public async Task Lost_is_replaced_by_an_owed_ending_and_counted_by_it()
    {
        var store = Open();
        await WriteAsync(store, Owed(0, RunStatus.Lost), Owed(1, RunStatus.Lost), Owed(1));
        await WriteAsync(store, Owed(0));
        await WriteAsync(store, Owed(0));
        Assert.Equal([Owed(1), Owed(0)], await ListAsync(store));

        store.Dispose();
        store = Open();
        var day = Assert.Single(await store.ListStatsAsync(JobName.Parse("hello"), new DateOnly(2026, 11, 22), CancellationToken.None));

        Assert.Equal((0, 2), (day.Counts.GetValueOrDefault("lost"), day.Counts["succeeded"]));
    }

    [Fact]
    public async Task A_record_refused_for_its_content_is_named_and_all_others_are_written()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0));
        await store.WriteOutputAsync([Chunk("hello/1", 0, "a"u8.ToArray())], CancellationToken.None);
        await RefuseAsync();

        var records = await store.WriteAsync(
            [Some.Record(1), Some.Record(2, Refused), Some.Record(0), Some.Record(3)], CancellationToken.None);
        var chunks = await store.WriteOutputAsync(
            [Chunk($"{Refused}/1", 0, "no"u8.ToArray()), Chunk("hello/1", 1, "b"u8.ToArray())], CancellationToken.None);

        Assert.Equal(Some.Record(2, Refused), Assert.Single(records).What);
        Assert.NotEmpty(records[0].Reason);
        Assert.Equal($"{Refused}/1", Assert.Single(chunks).What.Run);
        Assert.Equal([Some.Record(3), Some.Record(1), Some.Record(0)], await ListAsync(store));
        Assert.Empty(await ListAsync(store, Refused));
        Assert.Equal(2, (await store.ReadOutputAsync("hello/1", 0, 1000, CancellationToken.None)).Sum(chunk => chunk.Data.Length));
    }

    [Theory]
    [InlineData(RunStatus.Succeeded)]
    [InlineData(RunStatus.Killed)]
    [InlineData(RunStatus.Lost)]
    public async Task Lost_is_replaced_by_every_other_ending(RunStatus status)
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0, status: RunStatus.Lost), Some.Record(0, status: status));

        Assert.Equal([status], (await ListAsync(store)).Select(record => record.Status));
    }

    [Fact]
    public async Task A_later_writing_replaces_an_earlier_one_and_its_place_in_the_lists()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0), Some.Record(1));
        var later = Some.Record(0) with { StartTime = Some.Record(2).StartTime, Output = "more" };
        await WriteAsync(store, later);

        Assert.Equal([later, Some.Record(1)], await ListAsync(store));
    }

    [Fact]
    public async Task Lists_have_the_newest_first_and_the_later_id_first_of_one_start()
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
    public async Task The_start_of_the_record_behind_some_others_is_found_by_indexed_conditions_alone()
    {
        var store = Open();
        await store.WriteAsync(
            [.. Enumerable.Range(0, 10).Select(n => Some.Record(n, n % 2 == 0 ? "even" : "odd"))], CancellationToken.None);
        var even = new LogQuery().And(LogField.Text, ["nowhere"]).And(LogField.Worker, ["w9"]).And(LogField.Job, ["even"]);

        async Task<long?> StartAsync(LogQuery query, int records) =>
            (await store.FindStartAsync(query, records, CancellationToken.None))?.ToUnixTimeMilliseconds();

        Assert.Equal(Some.Record(2).StartTime, await StartAsync(even, 3));
        Assert.Null(await StartAsync(even, 5));
        Assert.Equal(Some.Record(6).StartTime, await StartAsync(new LogQuery().And(LogField.Text, ["nowhere"]), 3));
        var notEven = new LogQuery(Until: Some.Now.AddMinutes(3)).And(LogField.Job, ["even"], isNegated: true);
        Assert.Equal(Some.Record(1).StartTime, await StartAsync(notEven.And(LogField.Worker, ["w9"]), 1));
    }

    [Fact]
    public async Task Pages_follow_each_other_without_a_gap_or_a_repetition_while_records_arrive()
    {
        var store = Open();
        await WriteAsync(store, [.. Enumerable.Range(0, 25).Select(n => Some.Record(n))]);
        // Of one start, several.
        await WriteAsync(
            store, [.. Enumerable.Range(10, 3).Select(n => Some.Record(n, "other") with { StartTime = Some.Record(12).StartTime })]);

        List<string> seen = [];
        for (LogCursor? after = null; ;)
        {
            var page = await store.SearchAsync(new LogQuery(After: after, Limit: 4), CancellationToken.None);
            seen.AddRange(page.Records.Select(record => record.Id));
            await WriteAsync(store, Some.Record(1000 + seen.Count)); // Newer than all: on no later page.
            if (page.Next is null)
            {
                break;
            }

            after = LogCursor.Parse(page.Next);
        }

        Assert.Equal(28, seen.Count);
        Assert.Equal(seen.Count, seen.Distinct().Count());
    }

    [Fact]
    public async Task Records_are_found_by_each_condition()
    {
        var store = Open();
        RunRecord[] records =
        [
            Some.Record(0),
            Some.Record(1, status: RunStatus.Failed) with { Err = "exit status 3: disk FULL (100%)" },
            Some.Record(2, "other") with { Worker = "w2", Command = "rsync -a /srv/100%_done" },
            Some.Record(3) with { Trigger = RunSpec.Manual },
        ];
        await WriteAsync(store, records);

        await FoundAsync(new LogQuery(Job: "other"), 2);
        await FoundAsync(new LogQuery(Status: RunStatus.Failed), 1);
        await FoundAsync(new LogQuery().And(LogField.Worker, ["w2"]), 2);
        await FoundAsync(new LogQuery().And(LogField.Trigger, ["manual"]), 3);
        await FoundAsync(new LogQuery().And(LogField.Text, ["disk full"]), 1);
        await FoundAsync(new LogQuery().And(LogField.Text, ["100%_"]), 2);
        await FoundAsync(new LogQuery().And(LogField.Text, ["100%"]), 2, 1);
        await FoundAsync(new LogQuery().And(LogField.Text, [".*"]));
        await FoundAsync(new LogQuery(Job: "hello", Status: RunStatus.Succeeded), 3, 0);
        await FoundAsync(new LogQuery(From: Started(1), Until: Started(3)), 2, 1);
        await FoundAsync(new LogQuery().And(LogField.Text, ["OTHE"]), 2);
        await FoundAsync(new LogQuery().And(LogField.Job, ["hello", "other"]), 3, 2, 1, 0);
        await FoundAsync(new LogQuery(Limit: 2).And(LogField.Job, ["hello", "other", "nobody"]), 3, 2);
        await FoundAsync(new LogQuery().And(LogField.Job, ["other"], isNegated: true), 3, 1, 0);
        string[] many = [.. Enumerable.Range(0, 40_000).Select(n => $"job {n}"), "hello", "\"other"];
        await FoundAsync(new LogQuery().And(LogField.Job, many), 3, 1, 0);
        await FoundAsync(new LogQuery().And(LogField.Job, many, isNegated: true), 2);
        await FoundAsync(new LogQuery().And(LogField.Job, []));
        await FoundAsync(new LogQuery().And(LogField.Job, [], isNegated: true), 3, 2, 1, 0);
        await FoundAsync(new LogQuery(Job: "hello").And(LogField.Job, ["hello", "other"]), 3, 1, 0);
        await FoundAsync(new LogQuery().And(LogField.Ending, ["failed", "lost"]), 1);
        await FoundAsync(new LogQuery(Limit: 2).And(LogField.Ending, ["failed", "succeeded"]), 3, 2);
        await FoundAsync(new LogQuery().And(LogField.Ending, ["failed"], isNegated: true), 3, 2, 0);
        await FoundAsync(new LogQuery().And(LogField.Job, ["hello"]).And(LogField.Ending, ["failed", "lost"]), 1);
        await FoundAsync(new LogQuery().And(LogField.Worker, ["w2", "w3"]), 2);
        await FoundAsync(new LogQuery().And(LogField.Worker, ["w2"], isNegated: true), 3, 1, 0);
        await FoundAsync(new LogQuery().And(LogField.Trigger, ["manual", "retry"]), 3);
        await FoundAsync(new LogQuery().And(LogField.Trigger, ["manual"], isNegated: true), 2, 1, 0);
        await FoundAsync(new LogQuery().And(LogField.Text, ["100%"]).And(LogField.Text, ["disk"]), 1);
        await FoundAsync(new LogQuery().And(LogField.Text, ["100%"], isNegated: true), 3, 0);
        await FoundAsync(
            new LogQuery(After: new LogCursor(records[2].StartTime, records[2].Id)).And(LogField.Job, ["hello", "other"]), 1, 0);

        async Task FoundAsync(LogQuery query, params int[] expected) => Assert.Equal(
            expected.Select(n => records[n].Id),
            (await store.SearchAsync(query, CancellationToken.None)).Records.Select(record => record.Id));

        DateTimeOffset Started(int n) => DateTimeOffset.FromUnixTimeMilliseconds(records[n].StartTime);
    }

    [Fact]
    public async Task A_page_has_no_outputs_unless_they_are_asked_for_and_always_the_last_lines()
    {
        var store = Open();
        var long1 = $"{new string('x', 300_000)}\n\"quoted\" \\ 备份 \u001b[31mred\r\n\n";
        RunRecord[] records =
        [
            Some.Record(0, output: "first\nlast\n") with { OutputBytes = 11, LastLine = "last" },
            Some.Record(1, output: long1) with { OutputBytes = 400_000 }, // Of an older worker: without its last line.
            Some.Record(2, output: ""),
        ];
        await WriteAsync(store, records);

        var page = await store.SearchAsync(new LogQuery(), CancellationToken.None);
        var whole = await store.SearchAsync(new LogQuery(Output: true), CancellationToken.None);
        var planned = await store.ListPlannedAsync(JobName.Parse("hello"), Some.Now, Some.Now.AddDays(1), CancellationToken.None);

        string[] lines = ["", "\"quoted\" \\ 备份 ␛[31mred", "last"];
        Assert.Equal(lines, page.Records.Select(record => record.LastLine));
        Assert.All(page.Records.Concat(planned), record => Assert.Equal("", record.Output));
        Assert.Equal(["", long1, "first\nlast\n"], whole.Records.Select(record => record.Output));
        Assert.Equal(lines, whole.Records.Select(record => record.LastLine));
        Assert.Equal(records.Reverse().Select(record => record with { Output = "", LastLine = "" }),
            page.Records.Select(record => record with { LastLine = "" }));
    }

    [Fact]
    public async Task Runs_are_counted_by_ending_and_time_of_their_start()
    {
        var store = Open();
        await WriteAsync(
            store,
            [
                .. Enumerable.Range(0, 40).Select(n => Some.Record(n)),
                Some.Record(40, status: RunStatus.Failed) with { Err = "disk FULL" },
                Some.Record(3, "other", RunStatus.Failed) with { Worker = "w2" },
                Some.Record(16, "other", RunStatus.Missed) with { Trigger = RunSpec.Misfire },
            ]);

        await CountedAsync(
            new LogQuery(),
            "00 succeeded 15", "00 failed 1", "15 succeeded 15", "15 missed 1", "30 succeeded 10", "30 failed 1");
        await CountedAsync(new LogQuery(Status: RunStatus.Failed), "00 failed 1", "30 failed 1");
        await CountedAsync(new LogQuery(Job: "other"), "00 failed 1", "15 missed 1");
        await CountedAsync(new LogQuery().And(LogField.Worker, ["w2"]), "00 failed 1");
        await CountedAsync(new LogQuery().And(LogField.Trigger, [RunSpec.Misfire]), "15 missed 1");
        await CountedAsync(new LogQuery().And(LogField.Text, ["disk full"]), "30 failed 1");
        await CountedAsync(new LogQuery().And(LogField.Ending, ["failed", "missed"]), "00 failed 1", "15 missed 1", "30 failed 1");
        await CountedAsync(new LogQuery().And(LogField.Job, ["other", "more"]), "00 failed 1", "15 missed 1");
        await CountedAsync(
            new LogQuery().And(LogField.Job, ["other"], isNegated: true).And(LogField.Ending, ["failed"]), "30 failed 1");
        await CountedAsync(new LogQuery(Job: "nobody"));
        await CountedAsync(
            new LogQuery(From: Started(14), Until: Started(16)), "00 succeeded 1", "15 succeeded 1");
        await CountedAsync(
            new LogQuery(Job: "hello", From: Started(14), Until: Started(16)), "00 succeeded 1", "15 succeeded 1");
        Assert.False((await store.CountAsync(new LogQuery(Job: "hello"), TimeSpan.FromHours(1), 40, CancellationToken.None)).IsWhole);
        Assert.True((await store.CountAsync(new LogQuery(Job: "hello"), TimeSpan.FromHours(1), 41, CancellationToken.None)).IsWhole);

        async Task CountedAsync(LogQuery query, params string[] expected)
        {
            var counted = await store.CountAsync(query, TimeSpan.FromMinutes(15), 1000, CancellationToken.None);
            Assert.True(counted.IsWhole);
            Assert.Equal(
                expected,
                counted.Counts.OrderBy(count => (count.At, count.Status)).Select(
                    count => $"{DateTimeOffset.FromUnixTimeMilliseconds(count.At):mm} {count.Status.Word()} {count.Count}"));
        }

        DateTimeOffset Started(int n) => DateTimeOffset.FromUnixTimeMilliseconds(Some.Record(n).StartTime);
    }

    [Theory]
    [InlineData("ÄRGER",   "tägliche Sicherung: viel Ärger")]
    [InlineData("ärger",   "VIEL ÄRGER")]
    [InlineData("ОШИБКА",  "ошибка диска")]
    [InlineData("диска",   "ОШИБКА ДИСКА (100%)")]
    [InlineData("ΣΊΣΥΦΟΣ", "σίσυφος")]
    [InlineData("a-z]*?^",  "(A-Z]*?^)")]
    [InlineData("[a.]Ö*",  "x[A.]ö*")]
    public async Task Text_is_found_in_any_case_of_its_letters(string sought, string text)
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0), Some.Record(1) with { Command = $"echo {text}" }, Some.Record(2) with { Err = text });

        var found = await store.SearchAsync(new LogQuery().And(LogField.Text, [sought]), CancellationToken.None);

        Assert.Equal([Some.Record(2).Id, Some.Record(1).Id], found.Records.Select(record => record.Id));
    }

    [Fact]
    public async Task A_record_is_found_by_its_id()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0));

        Assert.Equal(Some.Record(0), await store.FindAsync(Some.Record(0).Id, CancellationToken.None));
        Assert.Null(await store.FindAsync(Some.Record(1).Id, CancellationToken.None));
    }

    [Fact]
    public async Task The_records_of_a_span_of_plan_times_are_those_in_it_and_the_summaries_that_reach_into_it()
    {
        var store = Open();
        var summary = Some.Record(9, status: RunStatus.Missed) with { MissedCount = 5, MissedSince = Some.Record(4).PlanTime };
        await WriteAsync(store, [.. Enumerable.Range(0, 5).Select(n => Some.Record(n)), summary, Some.Record(12), Some.Record(3, "other")]);

        var found = await store.ListPlannedAsync(
            JobName.Parse("hello"), Some.Now.AddMinutes(3), Some.Now.AddMinutes(6), CancellationToken.None);

        Assert.Equal([Some.Record(3).Id, Some.Record(4).Id, summary.Id], found.Select(record => record.Id).Order());
    }

    [Fact]
    public async Task Output_comes_back_from_any_offset_without_holes_and_overlaps_and_writing_it_twice_is_harmless()
    {
        var store = Open();
        var bytes = new byte[300_000];
        Some.Random().NextBytes(bytes);
        var chunks = new[] { (0, 1000), (1000, 65_536), (66_536, 33_464), (100_000, 200_000) }
            .Select(part => Chunk("hello/1", part.Item1, bytes.AsMemory(part.Item1, part.Item2)))
            .ToList();
        await store.WriteOutputAsync(chunks, CancellationToken.None);
        await store.WriteOutputAsync(
            [.. chunks, Chunk("hello/1", 500, bytes.AsMemory(500, 3000)), Chunk("hello/2", 0, new byte[] { 1, 2, 3 })],
            CancellationToken.None);

        foreach (var from in new[] { 0, 1, 999, 1000, 1500, 99_999, 100_000, 299_999 })
        {
            List<byte> read = [];
            while (await store.ReadOutputAsync("hello/1", from + read.Count, 70_000, CancellationToken.None) is { Count: > 0 } more)
            {
                Assert.Equal(from + read.Count, more[0].Offset);
                read.AddRange(more.SelectMany(chunk => chunk.Data.ToArray()));
            }

            Assert.Equal(bytes[from..], read);
        }

        Assert.Empty(await store.ReadOutputAsync("hello/1", 300_000, 1000, CancellationToken.None));
        Assert.Empty(await store.ReadOutputAsync("hello/3", 0, 1000, CancellationToken.None));
    }

    [Fact]
    public async Task Runs_are_counted_by_job_and_day_once_however_often_they_are_written()
    {
        var store = Open();
        RunRecord[] records =
        [
            .. Enumerable.Range(0, 90).Select(n => Took(Some.Record(n), 10)),
            .. Enumerable.Range(90, 10).Select(n => Took(Some.Record(n, status: RunStatus.Failed), 5000)),
            Some.Record(1500, status: RunStatus.Missed) with { MissedCount = 40 }, // The day after.
        ];
        await WriteAsync(store, records);
        await WriteAsync(store, records);

        store.Dispose(); // Which counts what is not counted yet.
        store = Open();
        var days = await store.ListStatsAsync(JobName.Parse("hello"), new DateOnly(2026, 11, 22), CancellationToken.None);

        Assert.Equal([new DateOnly(2026, 11, 22), new DateOnly(2026, 11, 23)], days.Select(day => day.Day));
        Assert.Equal((90L, 10L, 5000L), (days[0].Counts["succeeded"], days[0].Counts["failed"], days[0].Counts[DayKeys.Longest]));
        Assert.Equal(40, days[1].Counts["missed"]);
        Assert.InRange(DayStats.Percentile(days, 'd', 0.5)!.Value, 10, 12);
        Assert.InRange(DayStats.Percentile(days, 'd', 0.95)!.Value, 5000, 6000);
        Assert.InRange(DayStats.Percentile(days, 'l', 0.99)!.Value, 2, 3);
        Assert.Single(await store.ListStatsAsync(JobName.Parse("hello"), new DateOnly(2026, 11, 23), CancellationToken.None));

        static RunRecord Took(RunRecord record, long ms) => record with { EndTime = record.StartTime + ms };
    }

    [Fact]
    public async Task A_lost_run_whose_end_was_seen_is_counted_by_that_end()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0, status: RunStatus.Lost), Some.Record(1, status: RunStatus.Lost));
        await WriteAsync(store, Some.Record(0));
        await WriteAsync(store, Some.Record(0));

        store.Dispose();
        store = Open();
        var day = Assert.Single(await store.ListStatsAsync(JobName.Parse("hello"), new DateOnly(2026, 11, 22), CancellationToken.None));

        Assert.Equal((1, 1), (day.Counts["lost"], day.Counts["succeeded"]));
    }

    [Fact]
    public async Task More_than_fits_into_one_command_of_a_document_database_is_written()
    {
        var store = Open();
        var output = new string('x', 1 << 20);
        RunRecord[] records = [.. Enumerable.Range(0, 25).Select(n => Some.Record(n, output: output))];
        await WriteAsync(store, records);
        await WriteAsync(store, [.. records.Select(record => record with { ExitCode = 1 })]);
        await store.WriteOutputAsync(
            [.. Enumerable.Range(0, 25).Select(n => Chunk("hello/1", n << 20, new byte[1 << 20]))], CancellationToken.None);

        var found = await ListAsync(store);

        Assert.Equal(
            records.Reverse().Select(record => (record.Id, 1, output.Length)),
            found.Select(record => (record.Id, record.ExitCode ?? 0, record.Output.Length)));
        Assert.Equal(24 << 20, (await store.ReadOutputAsync("hello/1", 24 << 20, 1, CancellationToken.None))[0].Offset);
    }

    [Fact]
    public async Task Small_chunks_are_read_many_at_a_time()
    {
        var store = Open();
        await store.WriteOutputAsync(
            [.. Enumerable.Range(0, 500).Select(n => Chunk("hello/1", n, new byte[] { (byte)n }))], CancellationToken.None);

        Assert.Equal(500, (await store.ReadOutputAsync("hello/1", 0, 1 << 18, CancellationToken.None)).Count);
    }

    [Fact]
    public async Task Extreme_times_are_accepted_and_a_cursor_outside_the_calendar_is_none()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0));

        Assert.Empty((await store.SearchAsync(new LogQuery(Until: DateTimeOffset.MinValue), CancellationToken.None)).Records);
        Assert.Single(
            (await store.SearchAsync(
                new LogQuery(From: DateTimeOffset.MinValue, Until: DateTimeOffset.MaxValue), CancellationToken.None)).Records);
        Assert.Null(LogCursor.Parse(new LogCursor(long.MaxValue, "hello/1").ToString()));
    }

    [Fact]
    public async Task Writing_nothing_succeeds()
    {
        var store = Open();
        await WriteAsync(store);

        Assert.Empty(await ListAsync(store));
    }

    [Fact]
    public async Task Records_written_by_one_are_read_at_once_by_another()
    {
        var (writer, reader) = (Open(), Open());
        await WriteAsync(writer, Some.Record(0));
        Assert.Single(await ListAsync(reader));
        await WriteAsync(reader, Some.Record(1));
        Assert.Equal(2, (await ListAsync(writer)).Count);
    }

    [Fact]
    public async Task The_latest_endings_of_several_jobs_are_read_without_their_outputs()
    {
        var store = Open();
        await WriteAsync(
            store,
            [
                .. Enumerable.Range(0, 5).Select(n => Some.Record(n, "a", n == 3 ? RunStatus.Failed : RunStatus.Succeeded)),
                Some.Record(9, "b") with { Status = RunStatus.Lost, Err = new string('x', 1000), Worker = "w2" },
                Some.Record(1, "c"),
            ]);

        var endings = await store.ListEndingsAsync(["a", "b", "none"], 3, CancellationToken.None);

        Assert.Equal(
            new[] { Some.Record(2, "a"), Some.Record(3, "a", RunStatus.Failed), Some.Record(4, "a") }.Select(EndedRun.Of),
            endings.Where(ending => ending.Job == "a").OrderBy(ending => ending.StartTime));
        var lost = Assert.Single(endings, ending => ending.Job != "a");
        Assert.Equal(("b", RunStatus.Lost, "w2", 300), (lost.Job, lost.Status, lost.Worker, lost.Err.Length));
        Assert.Equal(RunId.Of(Some.Now.AddMinutes(9)), lost.RunId);
    }

    [Fact]
    public async Task Endings_are_found_by_the_ids_of_their_records()
    {
        var store = Open();
        await WriteAsync(store, Some.Record(0), Some.Record(1), Some.Record(2));
        await WriteAsync(store, Some.Record(1) with { Status = RunStatus.Killed, Err = "killed" });

        var endings = await store.FindEndingsAsync(
            [Some.Record(1).Id, Some.Record(2).Id, "hello/none"], CancellationToken.None);

        Assert.Equal(
            [EndedRun.Of(Some.Record(1) with { Status = RunStatus.Killed, Err = "killed" }), EndedRun.Of(Some.Record(2))],
            endings.OrderBy(ending => ending.StartTime));
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
                await Task.Delay(TimeSpan.FromMilliseconds(20)); // SQLite has no queue: the others look now and then whether it is free.
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
    private protected abstract ILogStore OpenStore();

    /// <summary>Makes the store refuse all records and output of the job <see cref="Refused"/>.</summary>
    protected abstract Task RefuseAsync();

    /// <summary>Removes it.</summary>
    protected abstract void Clean();

    /// <summary>The record that another worker makes of the owed ending of a job's n-th run.</summary>
    private static RunRecord Owed(int n, RunStatus status = RunStatus.Succeeded)
    {
        var at = Some.Now.AddMinutes(n);
        var ending = new OwedEnding("w1", "1", RunSpec.Scheduled(at), status, "", at.AddSeconds(5));
        return new RecordWriter("w2", "host", TimeSpan.FromDays(30)).Owed(Some.Job(), 0, ending);
    }

    private static OutputChunk Chunk(string run, long offset, ReadOnlyMemory<byte> data) => new(run, offset, data, Some.Now.AddYears(50));

    private protected static Task WriteAsync(ILogStore store, params RunRecord[] records) =>
        store.WriteAsync(records, CancellationToken.None);

    private protected static Task<IReadOnlyList<RunRecord>> ListAsync(ILogStore store, string job = "hello") =>
        store.ListAsync(JobName.Parse(job), 0, 100_000, CancellationToken.None);

    private protected ILogStore Open()
    {
        var store = OpenStore();
        _open.Add(store);
        return store;
    }
}
