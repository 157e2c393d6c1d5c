using System.Text;
using Dts.Common.Logs;
using Dts.Master.Api;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class FollowedRunTests
{
    private const int Lines = 40;

    private static readonly string Run = Some.Record(0).Id;

    [Fact]
    public async Task Fifty_followers_of_a_run_cost_the_store_about_as_much_as_one_and_all_get_every_byte()
    {
        var (alone, _) = await FollowAsync(followers: 1);
        var (together, texts) = await FollowAsync(followers: 50);

        Assert.All(texts, text => Assert.Equal(string.Concat(Enumerable.Range(0, Lines).Select(Line)), text));
        Assert.InRange(together, 1, alone * 2);
    }

    [Fact]
    public async Task A_follower_that_begins_elsewhere_gets_everything_from_there_on()
    {
        var store = new BrokenStore();
        await WriteAsync(store, 0, "0123456789");
        using var run = Follow(store, new ManualTime());

        Assert.Equal("0123456789", await ReadAsync(run, 0));
        Assert.Equal("456789", await ReadAsync(run, 4));
        using var later = Follow(store, new ManualTime(), offset: 8);
        Assert.Equal("89", await ReadAsync(later, 8));
        Assert.Equal("0123456789", await ReadAsync(later, 0));
    }

    [Fact]
    public async Task Looks_become_rarer_while_nothing_comes()
    {
        var (store, time) = (new BrokenStore(), new ManualTime());
        using var run = Follow(store, time);
        var looks = new List<int>();
        for (var second = 0; second < 60; second++)
        {
            var before = store.Questions;
            for (var tenth = 0; tenth < 10; tenth++)
            {
                var reading = run.ReadAsync(0, CancellationToken.None);
                await Patience.Until(() => reading.IsCompleted || time.TimersSet > 0, () => $"{time.TimersSet} timers");
                time.Advance(TimeSpan.FromMilliseconds(100));
            }

            looks.Add(store.Questions - before);
        }

        Assert.InRange(looks[0], 4, 10);
        Assert.InRange(looks[^10..].Sum(), 8, 12); // Two reads every two seconds.
    }

    private static async Task<(int Questions, string[] Texts)> FollowAsync(int followers)
    {
        var (store, time) = (new BrokenStore(), new ManualTime());
        using var run = Follow(store, time);
        var texts = Task.WhenAll(Enumerable.Range(0, followers).Select(_ => Task.Run(() => ReadAllAsync(run))));
        var offset = 0;
        for (var n = 0; n < Lines; n++)
        {
            await WriteAsync(store, offset, Line(n));
            offset += Line(n).Length;
            await PassesAsync(time, TimeSpan.FromSeconds(1));
        }

        await store.WriteAsync([Some.Record(0) with { OutputBytes = offset, OutputStored = offset }], CancellationToken.None);
        await Patience.Until(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(100));
                return texts.IsCompleted;
            },
            () => $"{store.Questions} questions");
        return (store.Questions, await texts);
    }

    private static async Task<string> ReadAllAsync(FollowedRun run)
    {
        var text = new StringBuilder();
        while (run.Record is not { } record || text.Length < record.OutputStored)
        {
            text.Append(Encoding.UTF8.GetString(await run.ReadAsync(text.Length, CancellationToken.None)));
        }

        return text.ToString();
    }

    private static async Task PassesAsync(ManualTime time, TimeSpan span)
    {
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMilliseconds(100))
        {
            await Patience.Until(() => time.TimersSet > 0, () => "nobody waits");
            time.Advance(TimeSpan.FromMilliseconds(100));
        }
    }

    private static string Line(int n) => $"line {n}\n";

    private static FollowedRun Follow(BrokenStore store, ManualTime time, long offset = 0) =>
        new(store, Run, _ => Task.FromResult(true), offset, time);

    private static async Task<string> ReadAsync(FollowedRun run, long offset) =>
        Encoding.UTF8.GetString(await run.ReadAsync(offset, CancellationToken.None).Soon());

    private static Task<IReadOnlyList<Refused<OutputChunk>>> WriteAsync(BrokenStore store, long offset, string text) =>
        store.WriteOutputAsync([new OutputChunk(Run, offset, Encoding.UTF8.GetBytes(text), Some.Now)], CancellationToken.None);
}
