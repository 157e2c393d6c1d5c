using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit;

/// <summary>The folders of the product, as docs/design.md lists them, and which of them each may use.</summary>
public sealed partial class ArchitectureTests
{
    private const string Common = "Cron Etcd Hosting Jobs Logs Metrics";

    /// <summary>
    /// Rooms by folder. A room knows itself, the namespaces above it, and those listed: Jobs is Dts.Common.Jobs, worker.Runs is
    /// Dts.Worker.Runs.
    /// </summary>
    private static readonly Dictionary<string, string> Rooms = new()
    {
        ["common/Cron"]             = "",
        ["common/Hosting"]          = "",
        ["common/Metrics"]          = "",
        ["common/Etcd"]             = "Hosting Metrics",
        ["common/Jobs"]             = "Cron Hosting Metrics",
        ["common/Logs"]             = "Hosting Jobs",
        ["common/Logs/Mongo"]       = "Hosting Jobs",
        ["common/Doctor"]           = $"{Common} Logs.Mongo",
        ["master"]                  =
            $"{Common} Doctor master.Access master.Alerts master.Api master.Audit master.Commands master.Crontab master.Events "
                + "master.Jobs master.Logs master.Metrics master.Versions master.Views",
        ["master/access"]           = $"{Common} master.Jobs master.Versions master.Views",
        ["master/audit"]            = "Hosting Jobs Logs Logs.Mongo master.Access master.Versions",
        ["master/api"]              =
            $"{Common} master.Access master.Alerts master.Audit master.Crontab master.Events master.Jobs master.Logs "
                + "master.Versions master.Views",
        ["master/commands"]         = "Doctor Etcd Hosting master.Access master.Crontab master.Jobs",
        ["master/crontab"]          = "Cron Hosting Jobs master.Jobs",
        ["master/jobs"]             = $"{Common} master.Logs master.Versions",
        ["master/versions"]         = "Etcd Hosting Jobs Logs Logs.Mongo",
        ["master/logs"]             = "Hosting Jobs Logs Logs.Mongo",
        ["master/metrics"]          = $"{Common} master.Access master.Views",
        ["master/alerts"]           = $"{Common} master.Events master.Jobs master.Logs master.Views",
        ["master/events"]           = "Hosting Jobs master.Jobs master.Logs master.Views",
        ["master/views"]            = $"{Common} master.Jobs master.Logs",
        ["worker"]                  =
            $"{Common} Doctor worker.Watches worker.Fires worker.Runs worker.Commands worker.Commands.Holders worker.Records "
                + "worker.Logs worker.Sessions",
        ["worker/watch"]            = "Cron Etcd Hosting Jobs worker.Fires worker.Sessions",
        ["worker/fires"]            = "Cron Etcd Hosting Jobs worker.Runs worker.Commands worker.Records",
        ["worker/runs"]             =
            "Etcd Hosting Jobs Logs worker.Commands worker.Commands.Holders worker.Native worker.Records worker.Sessions",
        ["worker/native"]           = "",
        ["worker/commands"]         = "Hosting Jobs worker.Commands.Holders worker.Native",
        ["worker/commands/holder"]  = "Hosting Logs worker.Native",
        ["worker/records"]          = "Etcd Hosting Jobs Logs worker.Runs worker.Commands worker.Commands.Holders worker.Logs",
        ["worker/logs"]             = "Hosting Jobs Logs Logs.Mongo",
        ["worker/session"]          = "Etcd Hosting Jobs Logs worker.Runs worker.Commands worker.Logs worker.Records",
    };

    [Fact]
    public void A_room_knows_only_the_rooms_that_it_is_allowed()
    {
        var faults = Sources().SelectMany(file => FindFaults(file, File.ReadAllText(Tool.InRepository(file))));

        Assert.Equal("", string.Join('\n', faults));
    }

    [Theory]
    [InlineData("using Dts.Worker.Records;\n\nnamespace Dts.Common.Jobs;",                    "Dts.Worker.Records")]
    [InlineData("namespace Dts.Common.Jobs;\n\nclass A { Dts.Common.Logs.RunRecord? Last; }", "Dts.Common.Logs")]
    [InlineData("using Old = Dts.Master.Jobs.JobStore;\n\nnamespace Dts.Common.Jobs;",         "Dts.Master.Jobs")]
    [InlineData("global using Dts.Common.Cron;",                                              "global using")]
    [InlineData("using Dts.Common.Cron;\n\nnamespace Dts.Common.Logs;",                       "namespace Dts.Common.Jobs")]
    public void A_fault_names_file_and_room(string source, string fault)
    {
        var found = Assert.Single(FindFaults("common/Jobs/Job.cs", source));

        Assert.StartsWith("common/Jobs/Job.cs, room common/Jobs: ", found);
        Assert.Contains(fault, found);
    }

    [Fact]
    public void A_folder_of_the_product_is_a_room() => Assert.Empty(Sources().Select(RoomOf).Except(Rooms.Keys));

    private static IEnumerable<string> FindFaults(string file, string source)
    {
        var room = RoomOf(file);
        var own = NamespaceOf(room);
        var allowed = Rooms[room].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Full).Append(own).ToHashSet();
        var code = Comments().Replace(source, "");
        if (code.Contains("global using", StringComparison.Ordinal))
        {
            yield return $"{file}, room {room}: global using; expected usings in the files that need them";
            yield break;
        }

        if (Namespace().Match(code) is { Success: true } declared && declared.Groups[1].Value != own)
        {
            yield return $"{file}, room {room}: namespace {declared.Groups[1].Value}; expected namespace {own}";
            yield break;
        }

        foreach (var known in Mentions().Matches(code).Select(match => match.Groups[1].Value.TrimEnd('.')).Distinct())
        {
            // The longest namespace of the house that the name begins with.
            var space = Rooms.Keys.Select(NamespaceOf)
                .Where(name => known == name || known.StartsWith(name + ".", StringComparison.Ordinal))
                .MaxBy(name => name.Length);
            if (space is not null && !allowed.Contains(space) && !own.StartsWith(space + ".", StringComparison.Ordinal))
            {
                yield return $"{file}, room {room}: {space}; expected only {(Rooms[room].Length > 0 ? Rooms[room] : "itself")}";
            }
        }
    }

    private static IEnumerable<string> Sources() =>
        from part in (string[])["common", "master", "worker"]
        let top = Tool.InRepository(part)
        from file in Directory.EnumerateFiles(top, "*.cs", SearchOption.AllDirectories)
        orderby file
        select $"{part}/{Path.GetRelativePath(top, file)}";

    private static string RoomOf(string file) => Path.GetDirectoryName(file)!;

    private static string Full(string room) =>
        room.StartsWith("master.", StringComparison.Ordinal) || room.StartsWith("worker.", StringComparison.Ordinal)
            ? $"Dts.{char.ToUpperInvariant(room[0])}{room[1..]}"
            : $"Dts.Common.{room}";

    /// <summary>The namespace of a folder; plural where the folder's name is a type that the code uses.</summary>
    private static string NamespaceOf(string room) => room switch
    {
        "worker/watch" => "Dts.Worker.Watches",
        "worker/session" => "Dts.Worker.Sessions",
        "worker/commands/holder" => "Dts.Worker.Commands.Holders",
        _ => "Dts." + string.Join('.', room.Split('/').Select(word => char.ToUpperInvariant(word[0]) + word[1..])),
    };

    [GeneratedRegex("//.*|\"(\\\\.|[^\"\\\\\n])*\"")]
    private static partial Regex Comments();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"\b(Dts\.(?:Common|Master|Worker)[\w.]*)")]
    private static partial Regex Mentions();
}
