using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class SpoolTests : IDisposable
{
    private const long Plenty = 1 << 30;

    private readonly ScratchFolder _scratch = new();
    private readonly RecordedLog _log = new();
    private readonly List<Spool> _open = [];

    public void Dispose()
    {
        _open.ForEach(spool => spool.Dispose());
        _scratch.Dispose();
    }

    [Fact]
    public void Records_come_back_whole_and_in_order()
    {
        var spool = Open();
        var records = Enumerable.Range(0, 5).Select(n => Some.Record(n, output: $"line {n}\n\0 备份 \ud83d\udd50")).ToList();
        spool.Append(records[..2]);
        spool.Append(records[2..]);

        Assert.Equal(5, spool.Waiting);
        Assert.Equal(records, spool.Read(100).Records);
        Assert.Equal(records[..3], spool.Read(3).Records);
    }

    [Fact]
    public void A_long_output_takes_no_more_memory_than_its_text_on_any_thread()
    {
        var output = string.Concat(Enumerable.Repeat("\0\n\"zeile\" 备份 \ud83d\udd50", 15_000));
        var spool = Open();
        spool.Append([Some.Record(0, output: output)]);
        spool.Read(1);
        var allocated = 0L;

        var thread = new Thread(() =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            spool.Append([Some.Record(1, output: output)]);
            spool.Read(1);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        });
        thread.Start();
        thread.Join();

        Assert.InRange(allocated, sizeof(char) * output.Length, (sizeof(char) * output.Length) + (128 << 10));
    }

    [Fact]
    public void Unacknowledged_records_are_read_again_even_by_the_next_process()
    {
        var spool = Open();
        spool.Append(Records(0, 5));
        spool.Acknowledge(spool.Read(2));
        Assert.Equal(Ids(2, 5), IdsOf(spool.Read(100)));
        Assert.Equal(Ids(2, 5), IdsOf(spool.Read(100)));

        var next = OpenAfter(spool);
        next.Append(Records(5, 7));

        Assert.Equal(Ids(2, 7), IdsOf(next.Read(100)));
        Assert.Equal(2, next.Waiting); // Those of its own.
        next.Acknowledge(next.Read(100));
        Assert.Equal(0, next.Waiting);
        Assert.Empty(IdsOf(OpenAfter(next).Read(100)));
    }

    [Fact]
    public void Acknowledged_records_are_not_read_again_when_it_is_opened_twice_in_a_row()
    {
        var spool = Open();
        spool.Append(Records(0, 3));
        spool.Acknowledge(spool.Read(3));

        var second = OpenAfter(spool);
        var third = OpenAfter(second);

        Assert.Empty(IdsOf(third.Read(100)));
        third.Append(Records(3, 4));
        Assert.Equal(Ids(3, 4), IdsOf(OpenAfter(third).Read(100)));
    }

    [Fact]
    public void Opening_it_twice_in_a_row_loses_nothing()
    {
        var spool = Open();
        spool.Append(Records(0, 3));

        Assert.Equal(Ids(0, 3), IdsOf(OpenAfter(OpenAfter(OpenAfter(spool))).Read(100)));
    }

    [Fact]
    public void Records_with_large_outputs_are_written_in_batches_that_are_bounded_in_bytes()
    {
        var spool = Open();
        var records = Enumerable.Range(0, 20).Select(n => Some.Record(n, output: new string('x', 1 << 20))).ToList();

        var first = spool.Append(records);

        Assert.Equal(8, first);
        Assert.Equal(8, spool.Append([.. records.Skip(first)]));
        Assert.Equal(16, spool.Waiting);
    }

    [Theory]
    [InlineData(1)]   // all but one byte of its last entry
    [InlineData(40)]  // in the middle of it
    public void A_torn_tail_is_skipped_and_the_rest_is_kept(int missing)
    {
        var spool = Open();
        spool.Append(Records(0, 3));
        spool.Dispose();
        using (var file = new FileStream(Segments().Single(), FileMode.Open))
        {
            file.SetLength(file.Length - missing);
        }

        var next = Open();
        next.Append(Records(3, 5));

        Assert.Equal([.. Ids(0, 2), .. Ids(3, 5)], IdsOf(next.Read(100)));
        Assert.Equal(1, _log.CountOf("that are not a record"));
        next.Acknowledge(next.Read(100));
        Assert.Single(Segments());
        Assert.Empty(IdsOf(OpenAfter(next).Read(100)));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(9)]
    public void A_tail_of_zeroes_or_of_half_a_head_is_skipped(int bytes)
    {
        var spool = Open();
        spool.Append(Records(0, 2));
        spool.Dispose();
        using (var file = new FileStream(Segments().Single(), FileMode.Append))
        {
            file.Write(new byte[bytes]);
        }

        Assert.Equal(Ids(0, 2), IdsOf(Open().Read(100)));
    }

    [Fact]
    public void A_flipped_bit_costs_only_its_own_record()
    {
        var spool = Open();
        spool.Append(Records(0, 1));
        var first = new FileInfo(Segments().Single()).Length;
        spool.Append(Records(1, 4));
        spool.Dispose();
        Flip(first + 60);

        var next = Open();

        Assert.Equal([.. Ids(0, 1), .. Ids(2, 4)], IdsOf(next.Read(100)));
        Assert.Equal(1, _log.CountOf("that are not a record"));
        Assert.Equal(1, _log.CountOf($"probably belong to {Ids(1, 2).Single()}"));
    }

    [Fact]
    public void A_damaged_length_costs_the_rest_of_its_segment_and_no_later_one()
    {
        var spool = Open();
        spool.Append(Records(0, 1));
        var first = new FileInfo(Segments().Single()).Length;
        spool.Append(Records(1, 4));
        Flip(first + 3);

        spool.Acknowledge(spool.Read(100));
        Assert.Equal(0, spool.Waiting);
        spool.Append(Records(4, 6));

        Assert.Equal(Ids(4, 6), IdsOf(spool.Read(100)));
        Assert.Equal(Ids(4, 6), IdsOf(OpenAfter(spool).Read(100)));
    }

    [Fact]
    public void Segments_that_were_shipped_are_deleted()
    {
        var spool = Open();
        var large = new string('x', 3 << 20);
        for (var n = 0; n < 9; n++)
        {
            spool.Append([Some.Record(n, output: large)]);
        }

        Assert.Equal(3, Segments().Length); // 8 MB and a little each
        spool.Acknowledge(spool.Read(4));
        Assert.Equal(2, Segments().Length);
        spool.Acknowledge(spool.Read(100));
        spool.Acknowledge(spool.Read(100));
        Assert.Single(Segments()); // the one that is written
        Assert.Empty(IdsOf(OpenAfter(spool).Read(100)));
    }

    [Fact]
    public void A_batch_has_at_least_one_record_and_no_more_bytes_than_stores_take()
    {
        var spool = Open();
        Array.ForEach([.. Enumerable.Range(0, 7)], n => spool.Append([Some.Record(n, output: new string('x', 3 << 20))]));
        spool.Append([Some.Record(7, output: new string('x', 9 << 20))]);

        List<int> sizes = [];
        for (var isFull = true; isFull;)
        {
            var batch = spool.Read(100);
            sizes.Add(batch.Records.Count);
            spool.Acknowledge(batch);
            isFull = batch.IsFull;
        }

        Assert.Equal([3, 3, 2, 0], sizes);
    }

    [Fact]
    public async Task A_disk_that_the_spool_filled_takes_records_again_once_all_is_shipped()
    {
        await using var disk = await SmallDisk.MountAsync(_scratch.File("spool"), kilobytes: 512);
        using var spool = Open();
        var taken = 0;
        Assert.Throws<IOException>(() =>
        {
            for (; taken < 10_000; taken++)
            {
                spool.Append(Records(taken, taken + 1));
            }
        });

        var batch = spool.Read(10_000);
        Assert.Equal(Ids(0, taken), IdsOf(batch));
        Assert.Throws<IOException>(() => spool.Acknowledge(batch)); // There is no room to note it.
        spool.Append(Records(taken, taken + 3));

        Assert.Equal(Ids(taken, taken + 3), IdsOf(spool.Read(100)));
        Assert.Single(Segments());
    }

    [Fact]
    public void An_unreadable_segment_blocks_no_other_and_a_later_start_ships_it()
    {
        var spool = Open();
        spool.Append(Records(0, 2));
        spool = OpenAfter(spool);
        spool.Append(Records(2, 4));
        var unreadable = Segments().Order().First();
        File.Move(unreadable, _scratch.File("aside"));
        Directory.CreateDirectory(unreadable);

        var batch = spool.Read(100);
        spool.Acknowledge(batch);
        spool.Append(Records(4, 5));

        Assert.Equal(Ids(2, 4), IdsOf(batch));
        Assert.Equal(Ids(4, 5), IdsOf(spool.Read(100)));
        Assert.Equal(1, _log.CountOf($"spool segment {unreadable} cannot be read"));
        Directory.Delete(unreadable);
        File.Move(_scratch.File("aside"), unreadable);
        Assert.Equal(Ids(0, 5), IdsOf(OpenAfter(spool).Read(100))); // Those of a segment that is not done are shipped once more.
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)] // It was read as far as its second record, which is all that is shipped of it.
    public void An_unreadable_segment_is_shipped_after_a_start_even_if_no_later_one_has_records(int shipped)
    {
        var spool = Open();
        spool.Append(Records(0, 3));
        spool = OpenAfter(spool);
        spool.Acknowledge(spool.Read(shipped));
        var unreadable = Segments().Order().First();
        File.Move(unreadable, _scratch.File("aside"));
        Directory.CreateDirectory(unreadable);

        spool.Acknowledge(spool.Read(100));
        spool = OpenAfter(spool); // It still cannot be read.
        spool.Acknowledge(spool.Read(100));
        spool.Dispose();
        Directory.Delete(unreadable);
        File.Move(_scratch.File("aside"), unreadable);
        spool = Open();
        spool.Append(Records(3, 4));

        var batch = spool.Read(100);
        Assert.Equal(Ids(shipped, 4), IdsOf(batch));
        spool.Acknowledge(batch);
        spool.Append(Records(4, 5));
        Assert.Equal(Ids(4, 5), IdsOf(OpenAfter(spool).Read(100)));
    }

    [Fact]
    public void An_unreadable_segment_that_is_removed_no_longer_keeps_shipped_records_from_being_noted()
    {
        var spool = Open();
        spool.Append(Records(0, 2));
        spool = OpenAfter(spool);
        spool.Append(Records(2, 4));
        var unreadable = Segments().Order().First();
        File.Delete(unreadable);

        spool.Acknowledge(spool.Read(100));

        Assert.Empty(IdsOf(OpenAfter(spool).Read(100)));
    }

    [Fact]
    public void At_its_quota_the_oldest_outputs_are_shortened_and_every_record_is_there_once()
    {
        var spool = Open(quotaBytes: 100_000); // So segments of 6 to 12 kB.
        var output = "the first line\n" + new string('x', 6_000) + "\nthe last line";
        for (var n = 0; n < 30; n++)
        {
            spool.Append([Some.Record(n, output: output)]);
        }

        Assert.InRange(FolderBytes(), 80_000, 100_000);
        var kept = spool.Read(100).Records;
        Assert.Equal(Ids(0, 30), kept.Select(record => record.Id));
        var whole = kept.Count(record => record.Output == output);
        Assert.InRange(whole, 8, 16);
        Assert.All(kept.Take(30 - whole), record =>
        {
            Assert.True(record.OutputTruncated);
            Assert.StartsWith("the first line\n", record.Output, StringComparison.Ordinal);
            Assert.Contains($"[... {output.Length - 512} bytes cut ...]", record.Output, StringComparison.Ordinal);
            Assert.EndsWith("\nthe last line", record.Output, StringComparison.Ordinal);
        });
        Assert.All(kept.Skip(30 - whole), record => Assert.False(record.OutputTruncated));
        Assert.Equal((1, 0), (_log.CountOf("has reached its quota"), _log.CountOf("no output left")));

        spool.Acknowledge(spool.Read(100));
        spool.Append([Some.Record(30, output: output)]);

        Assert.Equal(output, Assert.Single(spool.Read(100).Records).Output);
        Assert.Equal(1, _log.CountOf($"the outputs of {30 - whole} records were shortened"));
    }

    [Fact]
    public void A_segment_that_the_reader_has_looked_into_is_not_shortened()
    {
        var spool = Open(quotaBytes: 100_000);
        var output = new string('x', 6_000);
        spool.Append([.. Enumerable.Range(0, 3).Select(n => Some.Record(n, output: output))]);
        var batch = spool.Read(2); // It stops within their segment.
        for (var n = 3; n < 30; n++)
        {
            spool.Append([Some.Record(n, output: output)]);
        }

        spool.Acknowledge(batch);

        Assert.All(batch.Records, record => Assert.Equal(output, record.Output));
        Assert.Equal(Ids(2, 30), IdsOf(spool.Read(100)));
        Assert.Equal(Ids(2, 30), IdsOf(OpenAfter(spool).Read(100)));
    }

    [Fact]
    public void With_nothing_left_to_shorten_new_records_are_shortened_and_none_is_dropped()
    {
        var spool = Open(quotaBytes: 20_000);
        for (var n = 0; n < 50; n++)
        {
            spool.Append([Some.Record(n, output: "short")]);
        }

        spool.Append([Some.Record(50, output: new string('x', 10_000))]);
        spool.Append(Records(51, 60));

        var kept = spool.Read(100).Records;
        Assert.Equal(Ids(0, 60), kept.Select(record => record.Id));
        Assert.InRange(kept[50].Output.Length, 512, 560);
        Assert.All(kept.Take(50), record => Assert.Equal("short", record.Output));
        Assert.Equal((1, 1), (_log.CountOf("has reached its quota"), _log.CountOf("no output left")));
    }

    [Fact]
    public void A_process_that_ends_at_any_step_of_a_shortening_loses_and_doubles_nothing()
    {
        var spool = Open(quotaBytes: 100_000);
        var output = new string('x', 6_000);
        for (var n = 0; n < 12; n++)
        {
            spool.Append([Some.Record(n, output: output)]);
        }

        spool.Dispose();
        var before = Segments().ToDictionary(path => path, File.ReadAllBytes);
        var next = Open(quotaBytes: 100_000);
        for (var n = 12; n < 20; n++)
        {
            next.Append([Some.Record(n, output: output)]);
        }

        next.Dispose();
        var shortened = before.Keys.First(path => new FileInfo(path).Length < before[path].Length);
        var (place, whole) = (shortened + ".new", File.ReadAllBytes(shortened));
        Assert.Equal(Ids(0, 20), IdsOf(Open().Read(100))); // It is in its place.

        File.WriteAllBytes(shortened, before[shortened]);
        File.WriteAllBytes(place, whole[..(whole.Length / 2)]);
        Assert.Equal(Ids(0, 20), IdsOf(Open().Read(100))); // It was being written.
        Assert.False(File.Exists(place));

        File.WriteAllBytes(place, whole);
        Assert.Equal(Ids(0, 20), IdsOf(Open().Read(100))); // It had been written.
    }

    [Fact]
    public void A_shortening_leaves_damaged_entries_unchanged()
    {
        var spool = Open(quotaBytes: 100_000);
        var output = new string('x', 3_000);
        spool.Append([.. Enumerable.Range(0, 3).Select(n => Some.Record(n, output: output))]);
        Flip(100);
        for (var n = 3; n < 40; n++)
        {
            spool.Append([Some.Record(n, output: output)]);
        }

        var kept = spool.Read(100);

        Assert.Equal(Ids(1, 40), IdsOf(kept));
        Assert.True(kept.Records[0].OutputTruncated);
        Assert.Equal(1, _log.CountOf("that are not a record"));
    }

    [Theory]
    [InlineData(Plenty)]
    [InlineData(1 << 20)] // full most of the time
    public async Task One_thread_appends_while_another_reads_and_nothing_is_lost_repeated_or_out_of_order(long quotaBytes)
    {
        const int total = 3000;
        var random = Some.Random();
        var (appends, reads) = (new Random(random.Next()), new Random(random.Next()));
        var spool = Open(quotaBytes);
        var read = new List<string>();
        var appending = Task.Run(() =>
        {
            for (var n = 0; n < total;)
            {
                var count = Math.Min(appends.Next(1, 60), total - n);
                spool.Append([.. Enumerable.Range(n, count).Select(i => Some.Record(i, output: new string('x', appends.Next(0, 30_000))))]);
                n += count;
            }
        });

        while (!appending.IsCompleted || spool.Waiting > 0)
        {
            var batch = spool.Read(reads.Next(1, 100));
            if (reads.Next(4) > 0) // else it could not be shipped this time
            {
                read.AddRange(IdsOf(batch));
                spool.Acknowledge(batch);
            }
        }

        await appending;
        Assert.Equal(Ids(0, total), read);
        Assert.Single(Segments());
    }

    private static List<RunRecord> Records(int from, int to) => [.. Enumerable.Range(from, to - from).Select(n => Some.Record(n))];

    private static IEnumerable<string> Ids(int from, int to) => Records(from, to).Select(record => record.Id);

    private static IEnumerable<string> IdsOf(Spool.Batch batch) => batch.Records.Select(record => record.Id);

    private Spool Open(long quotaBytes = Plenty)
    {
        var spool = Spool.Open(_scratch.File("spool"), quotaBytes, _log);
        _open.Add(spool);
        return spool;
    }

    private Spool OpenAfter(Spool earlier)
    {
        earlier.Dispose();
        return Open();
    }

    private long FolderBytes() => Segments().Sum(path => new FileInfo(path).Length);

    private string[] Segments() => Directory.GetFiles(_scratch.File("spool"), "*.spool");

    private void Flip(long offset)
    {
        using var file = new FileStream(Segments().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        var flipped = (byte)(file.ReadByte() ^ 0x40);
        file.Position = offset;
        file.WriteByte(flipped);
    }
}
