using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The console's decisions, asked in the browser: calendar, clock changes, colours of output, differences, texts.</summary>
public sealed class ModuleTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    private const string Now = "Date.parse('2026-11-25T14:02:31Z')";

    [Theory]
    [InlineData("24 Nov 03:30", "2026-11-24T03:30")]
    [InlineData("Tue 24 Nov, 03:30", "2026-11-24T03:30")]
    [InlineData("Nov 24 03:30", "2026-11-24T03:30")]
    [InlineData("24.11. 03:30", "2026-11-24T03:30")]
    [InlineData("2026-11-24T03:30", "2026-11-24T03:30")]
    [InlineData("yesterday 3:00", "2026-11-24T03:00")]
    [InlineData("03:30", "2026-11-25T03:30")]
    [InlineData("16:00", "2026-11-24T16:00")]    // it is 15:02: of yesterday
    [InlineData("Wed 15:30", "2026-11-18T15:30")] // today is Wednesday, and 15:30 is to come
    [InlineData("3pm", "2026-11-25T15:00")]
    [InlineData("1 Dec 03:30", "2026-12-01T03:30")]
    [InlineData("昨天 3:00", "2026-11-24T03:00")]
    [InlineData("11月24日 03:30", "2026-11-24T03:30")]
    [InlineData("周一 3点", "2026-11-23T03:00")]
    [InlineData("31 Feb 3:00", null)]
    [InlineData("25:00", null)]
    [InlineData("soon", null)]
    public async Task A_time_is_understood_as_people_write_it(string text, string? wall)
    {
        var read = await browser.EvaluateAsync<string?>(
            "logic/whytime.js",
            $"(() => {{ const wall = m.wallTimeOf({Quote(text)}, 'Europe/Berlin', {Now}); "
                + "return wall === null ? null : new Date(wall).toISOString().slice(0, 16); })()");

        Assert.Equal(wall, read);
    }

    [Fact]
    public async Task A_time_that_was_not_planned_names_the_two_around_it()
    {
        var around = await browser.EvaluateAsync<int[]>(
            "logic/whytime.js", "(({ before, after }) => [before, after])(m.findPlanned(90, 'UTC', [0, 60, 120]))");

        Assert.Equal([60, 120], around);
        Assert.Equal(60, await browser.EvaluateAsync<int>("logic/whytime.js", "m.findPlanned(60, 'UTC', [0, 60, 120]).at"));
    }

    /// <summary>Spring: no square between 02:00 and 03:00. Autumn: both, the second one marked.</summary>
    [Fact]
    public async Task A_change_of_clocks_leaves_a_gap_and_doubles_an_hour()
    {
        const string Fires = "Array.from({ length: 96 }, (_, i) => ({ at: from + i * 1800000, ending: 'succeeded', count: 1, good: 1 }))";

        var spring = await browser.EvaluateAsync<int[]>(
            "logic/calendar.js", Grid("2026-03-28T23:00:00Z", Fires, "cells.map((cell) => cell.column).slice(2, 6)"));
        var autumn = await browser.EvaluateAsync<int[]>(
            "logic/calendar.js",
            Grid("2026-10-24T22:00:00Z", Fires, "cells.filter((cell) => cell.twin).map((cell) => cell.column * 10 + cell.twin)"));

        Assert.Equal([2, 3, 6, 7], spring);
        Assert.Equal([41, 42, 51, 52], autumn);

        static string Grid(string from, string fires, string value) =>
            $"(() => {{ const from = Date.parse('{from}'); const fires = {fires}; const layout = m.layoutOf(fires, 'Europe/Berlin'); "
                + $"const cells = m.gridOf(fires, 'Europe/Berlin', layout).at(-1).cells; return {value}; }})()";
    }

    [Theory]
    [InlineData(1, 86_400_000, "months")]
    [InlineData(2, 43_200_000, "columns")]
    [InlineData(48, 1_800_000, "columns")]
    [InlineData(144, 600_000, "quarters")]
    public async Task The_calendar_has_a_row_a_month_a_square_a_fire_or_a_square_a_quarter(int perDay, int stepMs, string mode)
    {
        var found = await browser.EvaluateAsync<string>(
            "logic/calendar.js",
            $"m.layoutOf(Array.from({{ length: {perDay * 20} }}, (_, i) => ({{ at: i * {stepMs}, ending: 'succeeded' }})), 'UTC').mode");

        Assert.Equal(mode, found);
    }

    [Fact]
    public async Task Colours_of_an_output_become_classes_and_all_other_control_characters_symbols()
    {
        var spans = await browser.EvaluateAsync<string>(
            "logic/sgr.js",
            """
            m.spansOf('\u001b[1;31mred\u001b[0m <b>x</b>\u001b[2J\u202etxt \u001b]0;title\u0007')
                .spans.map((s) => `${s.class}|${s.text}`).join('\n')
            """);

        Assert.Equal("fg-red sgr-bold|red\n| <b>x</b>␛[2J⟨202E⟩txt ␛]0;title␇", spans);
    }

    [Fact]
    public async Task A_colour_goes_on_in_the_next_line_and_pieces_of_a_line_are_joined()
    {
        var lines = await browser.EvaluateAsync<string>(
            "logic/sgr.js",
            """
            (() => {
                const l = new m.Lines();
                l.append('a\u001b[32m\r\nb\rc');
                l.append('d\ne');
                return [0, 1, 2, 3].map((i) => l.spansAt(i).map((s) => s.class + ':' + s.text).join()).join('|');
            })()
            """);

        Assert.Equal(":a|fg-green:b|fg-green:cd|fg-green:e", lines);
    }

    [Fact]
    public async Task Changes_of_two_people_to_different_members_both_hold_and_to_the_same_member_clash()
    {
        Assert.Equal("", await ClashesAsync("{ a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 2 }"));
        Assert.Equal("a", await ClashesAsync("{ a: 1, b: 1 }, { a: 2, b: 1 }, { a: 3, b: 2 }"));
        Assert.Equal("retry.max", await ClashesAsync("{ retry: { max: 0 } }, { retry: { max: 1 } }, { retry: { max: 2 } }"));
        Assert.Equal(
            """{"a":3,"retry":{"max":2}}""",
            await browser.EvaluateAsync<string>(
                "logic/diff.js", "JSON.stringify(m.withMembers({ a: 3 }, [{ member: 'retry.max', is: 2 }]))"));

        Task<string> ClashesAsync(string definitions) =>
            browser.EvaluateAsync<string>("logic/diff.js", $"m.merge({definitions}).clashes.join()");
    }

    [Fact]
    public async Task Durations_have_two_units_at_most()
    {
        Assert.Equal(
            ["0 ms", "0.6 ms", "40 ms", "1.2 s", "12 s", "59 s", "1 min", "1 min 12 s", "3 h 12 min", "2 d", "3 d 13 h", "400 d"],
            await AskAsync(
                "time.js",
                "m.duration",
                "[0, 0.6, 40, 1234, 12000, 59990, 60000, 72900, 11523000, 172800000, 306000000, 34560000000]"));
    }

    [Fact]
    public async Task Midnight_is_the_zones_own_also_when_the_clocks_change()
    {
        Assert.Equal(
            ["2026-03-28T23:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-11-21T23:00:00.000Z"],
            await AskAsync(
                "logic/zone.js",
                "(at) => new Date(m.dayStart('Europe/Berlin', Date.parse(at))).toISOString()",
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
                "(text) => JSON.stringify(m.split(text))",
                """['state:failing label:"team=a b" -worker:w1 "two words"', 'job:"a \\"b\\""', 'unclosed "quote is']"""));
        Assert.Equal(
            ["w1", "\"a b\"", "\"a\\\"b\"", "\"-x\"", "\"a|b\"", "\"a:b\"", "备份"],
            await AskAsync("dom.js", "m.quote", """['w1', 'a b', 'a"b', '-x', 'a|b', 'a:b', '备份']"""));
    }

    [Fact]
    public async Task Control_characters_become_symbols_and_marks_of_direction_are_shown()
    {
        Assert.Equal(
            ["␛[31mred", "a b", "�evil", "tab tab", "␇"],
            await AskAsync("dom.js", "m.clean", @"['\u001b[31mred', 'a\nb', '\u202eevil', 'tab\ttab', '\u0007']"));
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
                "m.schedule",
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
                "(href) => { try { m.h('a', { href }); return 'true'; } catch { return 'false'; } }",
                "['/jobs', 'javascript:alert(1)', '//elsewhere.example', 'https://elsewhere.example/']"));
    }

    /// <summary>What a function makes of each of some values.</summary>
    private async Task<string[]> AskAsync(string module, string function, string values) =>
        await browser.EvaluateAsync<string[]>(module, $"{values}.map((value) => String(({function})(value)))");

    private static string Quote(string text) => System.Text.Json.JsonSerializer.Serialize(text);
}
