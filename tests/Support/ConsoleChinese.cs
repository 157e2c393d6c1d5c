using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>The Chinese that the console's dictionary has for sentences of the API.</summary>
internal static partial class ConsoleChinese
{
    private const string Program =
        """
        import { readFileSync } from 'node:fs';
        import { sentence } from './words-3.js';
        console.log(JSON.stringify(JSON.parse(readFileSync(process.argv[2], 'utf8')).map(sentence)));
        """;

    /// <summary>Members, their values, words of filters and of the trade: they are the same in both languages.</summary>
    private static readonly HashSet<string> Names =
    [
        .. """
            CRLF cron cronie crontab DTS etcd GET holder HOME IANA JSON NFC NUL PATCH shell systemd tzdata Unicode UTC UTF Windows

            alert alertChannels allowedOrigins always channel command cpuMax cronExpr cwd description enabled endsAt env format id job
            jobUser killGraceSeconds labels memoryMax misfire mode name onDisconnect onFailure onWorkerLost outputLimitBytes overlap
            password pidsMax planTime reason retentionDays retry role runAs secrets SIGSEGV startDeadlineSeconds target then
            timeoutSeconds timeZone until user

            admin after all allow before broken continue done editor ending failed failing false filter forbid from key kill label
            ledgerFault lost missed new next noSuccess null once one operator outcome paused queued record recovered refused replace
            rerun running skip slow state system trigger true unknown value viewer well worker workerGone

            foreign here jan limited LOGNAME MAILFROM MAILTO mara mon MON mondax moo MORE OPEN ops own PATH pay percent self sleep
            """.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
    ];

    /// <summary>Fails with the sentences that keep English words when they are said in Chinese.</summary>
    public static async Task AssertWholeAsync(IEnumerable<string> sentences)
    {
        var english = sentences.Distinct().ToList();
        Assert.NotEmpty(english);
        var chinese = await TranslateAsync(english);

        var faults = english.Zip(chinese)
            .Where(pair => !Chinese().IsMatch(pair.Second) || IsEnglish(Values().Replace(pair.Second, "…")))
            .Select(pair => $"{pair.First}\n    {pair.Second}")
            .ToList();
        Assert.True(faults is [], string.Join('\n', faults));
    }

    private static bool IsEnglish(string text) =>
        Phrase().IsMatch(text) || Word().Matches(text).Any(word => !Names.Contains(word.Value));

    private static async Task<string[]> TranslateAsync(List<string> english)
    {
        using var scratch = new ScratchFolder();
        foreach (var file in new[] { "words.js", "words-3.js" })
        {
            File.Copy(Tool.InRepository($"master/console/{file}"), scratch.File(file));
        }

        await File.WriteAllTextAsync(scratch.File("package.json"), """{"type":"module"}""");
        await File.WriteAllTextAsync(scratch.File("say.js"), Program);
        await File.WriteAllTextAsync(scratch.File("english.json"), JsonSerializer.Serialize(english));
        return JsonSerializer.Deserialize<string[]>(await Tool.RunAsync(FindNode(), scratch.File("say.js"), scratch.File("english.json")))!;
    }

    /// <summary>The node that Playwright brings along.</summary>
    private static string FindNode() =>
        Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, ".playwright/node"), "node", SearchOption.AllDirectories).First();

    [GeneratedRegex(@"[\u4e00-\u9fff]")]
    private static partial Regex Chinese();

    /// <summary>What stays as it is: quoted values, commands, and JSON.</summary>
    [GeneratedRegex("\"[^\"]*\"|“[^”]*”|`[^`]*`|\\{.*\\}")]
    private static partial Regex Values();

    /// <summary>Two words beside each other, or one that is only part of a sentence.</summary>
    [GeneratedRegex(
        @"(?<![\w.-])[A-Za-z]{3,} [A-Za-z]{3,}(?!\w)"
            + @"|(?<![\w./-])(?:a|an|the|is|are|has|of|and|or|not|in|by|it|with|without|which|such|must|expected)(?![\w./-])")]
    private static partial Regex Phrase();

    /// <summary>A word that is no part of a path, a zone, an address or an option.</summary>
    [GeneratedRegex(@"(?<![\w./@?:<-])[A-Za-z]{3,}(?![\w./(@-])")]
    private static partial Regex Word();
}
