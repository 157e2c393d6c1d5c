using System.Text;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class OutputCaptureTests
{
    private static readonly Encoding Utf8 = new UTF8Encoding(false);

    [Theory]
    // as it came
    [InlineData(100, "")]
    [InlineData(100, "hello\n")]
    [InlineData(6, "hello\n")]
    [InlineData(6, "备份")]
    [InlineData(100, "a\0b")]
    public void Output_within_the_limit_is_kept_unchanged(int limit, string output)
    {
        var (text, truncated) = Captured(limit, Utf8.GetBytes(output)).ToText();

        Assert.Equal((output, false), (text, truncated));
    }

    [Fact]
    public void Of_longer_output_head_and_tail_are_kept_with_a_line_that_counts_the_bytes_cut()
    {
        var lines = Utf8.GetBytes(string.Concat(Enumerable.Range(1, 10_000).Select(i => $"{i}\n")));

        var (text, truncated) = Captured(1000, lines).ToText();

        Assert.True(truncated);
        Assert.StartsWith("1\n2\n3\n", text, StringComparison.Ordinal);
        Assert.EndsWith("\n9999\n10000\n", text, StringComparison.Ordinal);
        var cut = long.Parse(text.Split("\n[... ")[1].Split(" bytes cut ...]\n")[0], null);
        var marker = $"\n[... {cut} bytes cut ...]\n";
        Assert.Equal(lines.Length, text.Length - marker.Length + cut);
        Assert.InRange(text.Length, 970, 1000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(47)]
    public void A_limit_without_room_for_the_marker_keeps_nothing_of_longer_output(int limit)
    {
        var capture = Captured(limit, Utf8.GetBytes(new string('x', 1000)));

        Assert.Equal(("", true), capture.ToText());
        Assert.Equal(1000, capture.TotalBytes);
    }

    [Theory]
    [InlineData("text that fits", 100, 0)]
    [InlineData("more text than fits", 10, 19)]
    [InlineData("no text: \u00ff", 100, 10)]
    public void Short_output_that_is_not_text_gets_a_file_at_its_end(string output, int limit, int stored)
    {
        using var scratch = new ScratchFolder();
        var target = new OutputTarget(scratch.File("1.out"), "hello/1", 1000);
        var bytes = Encoding.Latin1.GetBytes(output);
        var capture = new OutputCapture(limit, new OutputFile(target, FileDescriptors.OpenForWriting(target.Path, make: true)));
        capture.Append(bytes);

        Assert.Equal(stored, capture.CloseFile());
        using var file = StoredOutput.TryOpen(target.Path);
        Assert.Equal(stored == 0 ? null : bytes, file?.Read(0));
    }

    [Fact]
    public void It_is_cut_between_characters()
    {
        var bytes = Utf8.GetBytes(string.Concat(Enumerable.Repeat("é备😀", 1000)));
        for (var limit = 48; limit < 300; limit++)
        {
            var (text, _) = Captured(limit, bytes).ToText();

            Assert.DoesNotContain('\uFFFD', text);
            Assert.InRange(Utf8.GetByteCount(text), 0, limit);
        }
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_replaced_within_the_limit()
    {
        byte[] bytes = [.. "start "u8, 0xFF, 0xC3, .. " end"u8];

        Assert.Equal(("start \uFFFD\uFFFD end", false), Captured(100, bytes).ToText());
        var (text, truncated) = Captured(1000, [.. Enumerable.Repeat((byte)0xFF, 900)]).ToText();
        Assert.True(truncated);
        Assert.InRange(Utf8.GetByteCount(text), 900, 1000);
        Assert.Contains("bytes cut", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Pieces_of_any_size_give_the_same_result()
    {
        for (var round = 0; round < 500; round++)
        {
            var seed = Random.Shared.Next();
            var random = new Random(seed);
            var limit = random.Next(20_000);
            var bytes = new byte[random.Next(3 * limit)];
            random.NextBytes(random.Next(2) == 0 ? bytes : []);
            var capture = new OutputCapture(limit);
            for (var rest = bytes.AsSpan(); rest.Length > 0;)
            {
                var count = Math.Min(1 + random.Next(1 << random.Next(16)), rest.Length);
                capture.Append(rest[..count]);
                rest = rest[count..];
            }

            var (text, truncated) = capture.ToText();

            Assert.True((text, truncated) == Captured(limit, bytes).ToText(), $"seed {seed}");
            Assert.True(Utf8.GetByteCount(text) <= limit, $"seed {seed}: {Utf8.GetByteCount(text)} bytes of {limit}");
            Assert.True(truncated || text == Utf8.GetString(bytes), $"seed {seed}");
            Assert.Equal(bytes.Length, capture.TotalBytes);
        }
    }

    [Fact]
    public void It_takes_memory_only_for_the_bytes_that_it_keeps()
    {
        var chunk = new byte[64 * 1024];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var small = new OutputCapture(1024 * 1024);
        small.Append(chunk.AsSpan(0, 100));
        var forLittle = GC.GetAllocatedBytesForCurrentThread() - before;

        var large = new OutputCapture(1024 * 1024);
        for (var i = 0; i < 1600; i++)
        {
            large.Append(chunk);
        }

        var forMuch = GC.GetAllocatedBytesForCurrentThread() - before - forLittle;
        Assert.Equal(1600L * chunk.Length, large.TotalBytes);
        Assert.InRange(forLittle, 100, 10_000);
        Assert.InRange(forMuch, 1024 * 1024, 1024 * 1024 * 11 / 10);
    }

    private static OutputCapture Captured(int limit, byte[] bytes)
    {
        var capture = new OutputCapture(limit);
        capture.Append(bytes);
        return capture;
    }
}
