using System.Globalization;
using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Master.Api;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <remarks>With a master of its own, whose memory it measures.</remarks>
public sealed class LongListTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const int Jobs = 40_000;
    private const int PutsAtOnce = 100;

    [Fact]
    public async Task A_list_that_is_longer_than_what_is_held_is_whole_and_takes_little_memory()
    {
        var description = new string('x', 1000);
        foreach (var names in Enumerable.Range(0, Jobs).Select(n => n.ToString("D6", CultureInfo.InvariantCulture)).Chunk(PutsAtOnce))
        {
            await master.Etcd.TxnAsync(Txn.All(names.Select(name => Txn.Put(
                master.Keys.Jobs + name,
                $$"""{"name":"{{name}}","command":"x","cronExpr":"* * * * *","description":"{{description}}"}"""))));
        }

        await master.Http.GetStringAsync("/job/log?name=x");
        var before = PeakKilobytes();

        using var answer = await master.Http.GetAsync("/job/list", HttpCompletionOption.ResponseHeadersRead);
        var bytes = await answer.Content.ReadAsByteArrayAsync();
        var grown = PeakKilobytes() - before;

        TestContext.Current.TestOutputHelper?.WriteLine($"{Jobs} jobs, {bytes.Length} bytes: {grown} KB more");
        Assert.InRange(bytes.Length, Answer.HeldBytes, int.MaxValue);
        using var list = JsonDocument.Parse(bytes);
        var listed = list.RootElement.GetProperty("data").EnumerateArray().Select(job => job.GetProperty("name").GetString());
        Assert.Equal(Enumerable.Range(0, Jobs).Select(n => n.ToString("D6", CultureInfo.InvariantCulture)), listed);
        Assert.InRange(grown, 0, 150 * 1024); // Less than the rows and the bytes of all jobs, which were held at once before.
    }

    private long PeakKilobytes()
    {
        var line = File.ReadLines($"/proc/{master.Pid}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line["VmHWM:".Length..^"kB".Length].Trim(), CultureInfo.InvariantCulture);
    }
}
