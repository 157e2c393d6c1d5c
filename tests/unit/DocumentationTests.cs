using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master;
using Dts.Tests.Support;
using Dts.Worker;
using Xunit;

namespace Dts.Tests.Unit;

/// <summary>What the documents list is what the code has.</summary>
public sealed class DocumentationTests
{
    // Their defaults depend on the host.
    private static readonly string[] OfTheHost = ["workerId", "slots"];

    [Fact]
    public void Every_setting_of_the_worker_is_documented_with_its_default() =>
        AssertDocumented(reader => WorkerSettings.Read(reader), "worker");

    [Fact]
    public void Every_setting_of_the_master_is_documented_with_its_default() =>
        AssertDocumented(reader => MasterSettings.Read(reader), "master");

    [Fact]
    public void Every_member_of_a_job_is_documented() => AssertDocumented(JobsJson.Readable.Job, "member");

    [Fact]
    public void Every_field_of_a_record_is_documented() => AssertDocumented(LogsJson.Readable.RunRecord, "field");

    [Fact]
    public void Every_path_of_the_master_is_documented()
    {
        var mapped = Directory.EnumerateFiles(Tool.InRepository("master"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"\b(v1)?\.Map[A-Za-z]*\(\s*""(/[^""]*)"""))
            .Select(match => (match.Groups[1].Success ? "/api/v1" : "") + match.Groups[2].Value)
            .Where(path => path != "/api/v1")
            .Where(path => !path.StartsWith("/console/", StringComparison.Ordinal))
            .Distinct();

        Assert.Equal(mapped.Order(), RowsOf("docs/api.md", "path").SelectMany(row => CodesOf(row[0])).Distinct().Order());
    }

    [Fact]
    public void Every_link_between_documents_leads_somewhere()
    {
        Assert.Empty(Pages().SelectMany(DeadLinksOf));
    }

    [Fact]
    public void The_changelog_begins_with_the_version_of_this_build_and_documents_name_no_other_release()
    {
        var version = Regex.Match(File.ReadAllText(Tool.InRepository("Directory.Build.props")), "<Version>(.+)</Version>").Groups[1].Value;
        var first = File.ReadLines(Tool.InRepository("CHANGELOG.md")).First(line => line.StartsWith("## ", StringComparison.Ordinal));
        var releases = Pages()
            .SelectMany(page => Regex.Matches(File.ReadAllText(Tool.InRepository(page)), @"\bdts-(\d+\.\d+\.\d+)\b"))
            .Select(match => match.Groups[1].Value);

        Assert.Equal($"## {version}", first);
        Assert.Equal([version], releases.Distinct());
    }

    [Fact]
    public void The_Chinese_README_shows_the_diagram_the_commands_and_the_answers_of_the_English_one()
    {
        var english = BlocksOf("README.md").ToList();
        var chinese = BlocksOf("docs/README.zh-CN.md").ToList();

        Assert.NotEmpty(chinese);
        Assert.Equal(english, chinese);
    }

    private static void AssertDocumented(JsonTypeInfo type, string heading)
    {
        var members = type.Properties.Where(member => member is { IsExtensionData: false, Get: not null }).Select(member => member.Name);

        Assert.Equal(members.Order(), RowsOf("docs/api.md", heading).SelectMany(row => CodesOf(row[0])).Order());
    }

    private static void AssertDocumented(Action<SettingsReader> read, string service)
    {
        var reader = SettingsReader.Load([], "there is none", credentials: "/there/is/none");
        read(reader);

        var rows = RowsOf("docs/settings.md", "name").Where(row => row[1] == service || row[1] == "both").ToList();
        Assert.Equal(reader.Values.Keys.Order(), rows.SelectMany(row => CodesOf(row[0])).Order());
        foreach (var row in rows)
        {
            var name = CodesOf(row[0]).Single();
            var value = reader.Values[name].Length > 0 ? reader.Values[name] : "–";
            Assert.True(OfTheHost.Contains(name) || row[2].Trim('`') == value, $"{name} is documented as {row[2]}; its default is {value}");
        }
    }

    /// <summary>The cells of each row, in all tables whose first column has this heading.</summary>
    private static IEnumerable<string[]> RowsOf(string document, string heading)
    {
        var isOurs = false;
        foreach (var line in File.ReadLines(Tool.InRepository(document)))
        {
            var cells = line.Trim().Trim('|').Split('|', StringSplitOptions.TrimEntries);
            if (!line.StartsWith('|') || cells[0] == heading)
            {
                isOurs = line.StartsWith('|');
            }
            else if (isOurs && !cells[0].StartsWith("---", StringComparison.Ordinal))
            {
                yield return cells;
            }
        }
    }

    private static IEnumerable<string> CodesOf(string cell) => Regex.Matches(cell, "`([^`]+)`").Select(code => code.Groups[1].Value);

    private static IEnumerable<string> Pages() =>
        Directory.EnumerateFiles(Tool.InRepository("docs"), "*.md").Select(file => $"docs/{Path.GetFileName(file)}")
            .Append("README.md").Append("CHANGELOG.md");

    /// <summary>The blocks of a document that are shown as they are.</summary>
    private static IEnumerable<string> BlocksOf(string document) =>
        Regex.Matches(File.ReadAllText(Tool.InRepository(document)), "^```.*?^```$", RegexOptions.Multiline | RegexOptions.Singleline)
            .Select(match => match.Value);

    private static IEnumerable<string> DeadLinksOf(string document)
    {
        var folder = Path.GetDirectoryName(Tool.InRepository(document))!;
        var links = Regex.Matches(File.ReadAllText(Tool.InRepository(document)), @"\]\(([^)\s]+)\)").Select(match => match.Groups[1].Value);
        foreach (var link in links)
        {
            var (path, anchor) = link.Split('#') is [var front, var back] ? (front, back) : (link, "");
            var file = path.Length == 0 ? Tool.InRepository(document) : Path.Combine(folder, path);
            var isThere = Path.Exists(file) && (anchor.Length == 0 || AnchorsOf(file).Contains(anchor));
            if (!isThere && !link.Contains("://", StringComparison.Ordinal))
            {
                yield return $"{document}: {link}";
            }
        }
    }

    /// <summary>The anchors that GitHub gives to headings.</summary>
    private static IEnumerable<string> AnchorsOf(string file) => File.ReadLines(file)
        .Where(line => line.StartsWith('#'))
        .Select(line => Regex.Replace(line.TrimStart('#').Trim().ToLowerInvariant(), @"[^\w\- ]", "").Replace(' ', '-'));
}
