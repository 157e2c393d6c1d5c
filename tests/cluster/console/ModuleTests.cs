using System.Text.Json;
using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>What the console's modules make of values, asked in the browser.</summary>
public sealed class ModuleTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    [Fact]
    public async Task Durations_have_two_units_at_most()
    {
        Assert.Equal(
            ["0 ms", "0.6 ms", "40 ms", "1.2 s", "12 s", "59 s", "1 min", "1 min 12 s", "3 h 12 min", "2 d", "3 d 13 h", "400 d"],
            await AskAsync(
                "time.js",
                "module.duration",
                "[0, 0.6, 40, 1234, 12000, 59990, 60000, 72900, 11523000, 172800000, 306000000, 34560000000]"));
    }

    [Fact]
    public async Task Midnight_is_the_zones_own_also_when_the_clocks_change()
    {
        Assert.Equal(
            ["2026-03-28T23:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-11-21T23:00:00.000Z"],
            await AskAsync(
                "logic/zone.js",
                "(at) => new Date(module.dayStart('Europe/Berlin', Date.parse(at))).toISOString()",
                "['2026-03-29T12:00:00Z', '2026-10-25T12:00:00Z', '2026-11-22T10:00:00Z']"));
    }

    [Fact]
    public async Task A_filter_is_split_into_words_and_values_are_quoted_where_they_must_be()
    {
        Assert.Equal(
            [
                """["state:failing","label:\"team=a b\"","-worker:w1","\"two words\""]""",
                """["job:\"a \\\"b\\\"\""]""",
                """["unclosed","\"quote is"]""",
            ],
            await AskAsync(
                "filter.js",
                "(text) => JSON.stringify(module.split(text))",
                """['state:failing label:"team=a b" -worker:w1 "two words"', 'job:"a \\"b\\""', 'unclosed "quote is']"""));
        Assert.Equal(
            ["w1", "\"a b\"", "\"a\\\"b\"", "\"-x\"", "\"a|b\"", "\"a:b\"", "备份"],
            await AskAsync("dom.js", "module.quote", """['w1', 'a b', 'a"b', '-x', 'a|b', 'a:b', '备份']"""));
    }

    [Fact]
    public async Task Control_characters_become_symbols_and_marks_of_direction_are_shown()
    {
        Assert.Equal(
            ["␛[31mred", "a b", "�evil", "tab tab", "␇"],
            await AskAsync("dom.js", "module.clean", @"['\u001b[31mred', 'a\nb', '\u202eevil', 'tab\ttab', '\u0007']"));
    }

    [Fact]
    public async Task Schedules_are_said_in_Chinese_with_dates_before_times()
    {
        Assert.Equal(
            [
                "每天 07:30", "周一至周五 07:30", "每小时整点", "每 5 分钟", "每月最后一个工作日 18:00", "每月 13 日 或 周五 03:00（UTC）",
                "每年1月 1 日 00:00（UTC）", "2027年 6月 1、15至17 日 每 5 分钟",
            ],
            await AskAsync(
                "words.js",
                "module.schedule",
                "['at 07:30 every day', 'at 07:30 on Monday to Friday', 'every hour on the hour', 'every 5 minutes',"
                    + " 'at 18:00 on the last weekday of the month', 'at 03:00 on day 13 of the month or on Friday, UTC',"
                    + " 'at 00:00 on 1 January every year, UTC', 'every 5 minutes on 1 and 15 to 17 June in 2027']"));
    }

    [Fact]
    public async Task A_link_to_somewhere_else_than_a_path_is_refused()
    {
        Assert.Equal(
            ["true", "false", "false", "true"],
            await AskAsync(
                "dom.js",
                "(href) => { try { module.h('a', { href }); return 'true'; } catch { return 'false'; } }",
                "['/jobs', 'javascript:alert(1)', '//elsewhere.example', 'https://elsewhere.example/']"));
    }

    /// <summary>What a function of a module makes of each of some values.</summary>
    private async Task<string[]> AskAsync(string module, string function, string values)
    {
        await using var tab = await browser.OpenAsync("/workers");
        var answer = await tab.Page.EvaluateAsync<string>(
            $"async () => {{ const module = await import(new URL('{module}', document.querySelector('script[type=module]').src)); "
                + $"const ask = {function}; return JSON.stringify({values}.map((value) => String(ask(value)))); }}");
        return JsonSerializer.Deserialize<string[]>(answer)!;
    }
}
