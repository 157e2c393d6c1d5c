using System.Text.Json.Nodes;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Upgrade;

/// <summary>This version reads what released versions wrote to etcd, and what a later version may write.</summary>
public sealed class FormerEtcdTests
{
    public static TheoryData<string> Versions => [.. GoldenFiles.All.Select(golden => golden.Version)];

    [Theory]
    [MemberData(nameof(Versions))]
    public void Values_of_an_earlier_version_are_read_and_lose_no_member(string version) =>
        Assert.Equal("", FindLost(version, text => text));

    [Theory]
    [MemberData(nameof(Versions))]
    public void Members_that_a_later_version_adds_do_not_disturb_a_reader(string version) =>
        Assert.Equal("", FindLost(version, Json.WithLaterMembers));

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_member_that_a_later_version_adds_to_a_job_survives_a_save(string version)
    {
        var jobs = new GoldenFiles(version).Etcd.Where(pair => pair.Key.StartsWith("/cron/jobs/", StringComparison.Ordinal));
        foreach (var (key, value) in jobs)
        {
            Assert.NotNull(JsonNode.Parse(EtcdReaders.Read(key, Json.WithLaterMembers(value)))![Json.Later]);
        }
    }

    [Fact]
    public void The_time_of_the_last_check_of_the_ledger_is_read() =>
        Assert.NotEmpty(EtcdReaders.Read("/cron/alerts/ledger", "2026-11-26T13:17:15.1368364Z")); // Written once in ten minutes.

    [Fact]
    public void A_cursor_with_more_words_is_read()
    {
        const string cursor = "2026-11-22T10:00:00Z w1 694d claimed";

        Assert.Equal(cursor, EtcdReaders.Read("/cron/fired/hello", $"{cursor} and more"));
    }

    /// <summary>A line for each value that a reader refuses or does not read completely.</summary>
    private static string FindLost(string version, Func<string, string> change)
    {
        var pairs = new GoldenFiles(version).Etcd.ToList();
        Assert.NotEmpty(pairs);
        return string.Join('\n', pairs.Select(pair => FindLost(pair.Key, pair.Value, change)).Where(line => line.Length > 0));
    }

    private static string FindLost(string key, string value, Func<string, string> change)
    {
        try
        {
            return Json.FindLost(value, EtcdReaders.Read(key, change(value))) is { } lost ? $"{key}: {lost}" : "";
        }
        catch (Exception refused) when (refused is FormatException or System.Text.Json.JsonException)
        {
            return $"{key} is refused: {refused.Message}";
        }
    }
}
