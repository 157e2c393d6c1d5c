using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What <c>make dist</c> writes. <c>make test-dist</c> shows that two clones write the same.</summary>
public sealed class ReleaseTests(Release release) : IClassFixture<Release>
{
    private static readonly string[] Executables = ["dts-master", "dts-worker"];

    [Fact]
    public async Task The_tarball_has_executables_units_samples_the_deploy_script_and_the_documents_and_nothing_else()
    {
        var documents = await Tool.RunAsync("git", "-C", Tool.InRepository("."), "ls-files", "docs");
        string[] expected =
        [
            "CHANGELOG.md",
            "LICENSE",
            "LICENSES/THIRD-PARTY",
            "Makefile",
            "README.md",
            "VERSION",
            "bin/dts-master",
            "bin/dts-worker",
            "dts.cdx.json",
            "nginx/dts.conf",
            "systemd/deploy",
            "systemd/deploy.mk",
            "systemd/dts-master.service",
            "systemd/dts-worker.service",
            "systemd/dts.sysusers",
            "systemd/dts.tmpfiles",
            "systemd/master.json",
            "systemd/worker.json",
            .. documents.Split('\n', StringSplitOptions.RemoveEmptyEntries),
        ];

        var files = Directory.EnumerateFiles(release.Unpacked, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(release.Unpacked, file));

        Assert.Equal(expected.Order(StringComparer.Ordinal), files.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Everything_in_the_tarball_belongs_to_root_has_the_time_of_the_commit_and_is_writable_by_root_alone()
    {
        var committed = await Tool.RunAsync("git", "-C", Tool.InRepository("."), "log", "-1", "--format=%ct");

        var entries = await Tool.RunAsync("env", "TZ=UTC", "tar", "-tzvf", release.Tarball, "--numeric-owner", "--full-time");

        var time = DateTimeOffset.FromUnixTimeSeconds(long.Parse(committed.Trim(), System.Globalization.CultureInfo.InvariantCulture));
        Assert.All(entries.Trim().Split('\n'), entry => Assert.Matches($@"^[d-]rw.r-.r-. 0/0 +\d+ {time:yyyy-MM-dd HH:mm:ss} ", entry));
    }

    [Fact]
    public async Task Its_sums_hold_and_packing_again_gives_the_same_bytes()
    {
        using var second = new ScratchFolder();

        await Tool.RunAsync("sh", "-c", "cd \"$0\" && sha256sum --strict -c SHA256SUMS", release.Folder);
        await Release.PackAsync(second.Path);

        Assert.Equal(["SHA256SUMS", $"{Release.Name}.cdx.json", $"{Release.Name}.tar.gz"], NamesIn(release.Folder));
        Assert.Equal(NamesIn(release.Folder), NamesIn(second.Path));
        Assert.All(
            NamesIn(release.Folder),
            name => Assert.Equal(SumOf(Path.Combine(release.Folder, name)), SumOf(second.File(name))));
    }

    [Fact]
    public async Task An_executable_says_the_version_and_holds_no_path_of_the_machine_that_built_it()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var checkouts = new[] { Tool.InRepository("."), Path.GetFullPath(Path.Combine(NativeProcess.Folder, "..")) };
        var paths = checkouts
            .SelectMany(checkout => new[] { ".artifacts", "common", "master", "worker" }.Select(part => Path.Combine(checkout, part)))
            .Append(Path.Combine(home, ".nuget"))
            .ToList();
        foreach (var name in Executables)
        {
            var executable = Path.Combine(release.Unpacked, "bin", name);
            var bytes = File.ReadAllBytes(executable);

            Assert.Equal($"{name} {Release.Version}\n", await Tool.RunAsync(executable, "--version"));
            Assert.DoesNotContain(paths, path => bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(path)) >= 0);
            Assert.DoesNotContain(paths, path => bytes.AsSpan().IndexOf(Encoding.Unicode.GetBytes(path)) >= 0);
        }
    }

    [Fact]
    public void Its_bill_of_materials_names_every_package_of_the_product_with_version_licence_and_hash()
    {
        var bill = ReadBill();
        var components = bill["components"]!.AsArray();
        var named = components.ToDictionary(component => (string)component!["name"]!, component => (string)component!["version"]!);

        Assert.Equal(("CycloneDX", "1.5"), ((string)bill["bomFormat"]!, (string)bill["specVersion"]!));
        Assert.Empty(PackagesOfTheProduct().Except(named));
        Assert.Contains(named.Keys, name => name.StartsWith("Microsoft.NETCore.App.Runtime.NativeAOT.", StringComparison.Ordinal));
        Assert.Contains("sqlite", named.Keys);
        Assert.Empty(named.Keys.Intersect(["xunit.v3", "xunit.v3.assert", "FsCheck", "Quartz", "Npgsql", "Microsoft.Playwright"]));
        Assert.All(components, component =>
        {
            Assert.Matches("^pkg:[a-z]+/[^@]+@[0-9].*$", (string)component!["purl"]!);
            Assert.Matches("^([0-9a-f]{64}|[0-9a-f]{128})$", (string)component["hashes"]![0]!["content"]!);
            Assert.NotEqual("", (string)component["licenses"]![0]!["expression"]!);
        });
    }

    [Fact]
    public void Its_bill_of_materials_has_the_sums_of_the_executables_and_says_what_needs_what()
    {
        var bill = ReadBill();
        var product = bill["metadata"]!["component"]!;
        var known = bill["components"]!.AsArray().Concat(product["components"]!.AsArray()).Append(product)
            .Select(component => (string)component!["bom-ref"]!)
            .ToList();
        var needs = bill["dependencies"]!.AsArray()
            .ToDictionary(one => (string)one!["ref"]!, one => one!["dependsOn"]!.AsArray().Select(other => (string)other!).ToList());

        Assert.Equal(Release.Version, (string)product["version"]!);
        Assert.Equal(
            Executables.Select(name => (name, SumOf(Path.Combine(release.Unpacked, "bin", name)))),
            product["components"]!.AsArray().Select(one => ((string)one!["name"]!, (string)one["hashes"]![0]!["content"]!)));
        Assert.Equal(known.Order(), needs.Keys.Order());
        Assert.Empty(needs.Values.SelectMany(other => other).Except(known));
        Assert.Contains(needs["dts-master"], other => other.StartsWith("pkg:nuget/MailKit@", StringComparison.Ordinal));
        Assert.DoesNotContain(needs["dts-worker"], other => other.StartsWith("pkg:nuget/MailKit@", StringComparison.Ordinal));
    }

    [Fact]
    public void It_has_the_licence_text_of_everything_that_the_bill_of_materials_names()
    {
        var texts = File.ReadAllText(Path.Combine(release.Unpacked, "LICENSES", "THIRD-PARTY"));
        var heads = Regex.Matches(texts, @"(?m)^={80}\n(?<name>\S+) (?<version>\S+) \((?<licence>\S+)\)\n={80}\n\n(?<first>.+)\n");

        Assert.Equal(
            ReadBill()["components"]!.AsArray().Select(one => $"{one!["name"]} {one["version"]} {one["licenses"]![0]!["expression"]}"),
            heads.Select(head => $"{head.Groups["name"]} {head.Groups["version"]} {head.Groups["licence"]}"));
        Assert.All(heads, head => Assert.Matches("(?i)copyright|licen[sc]e|©|contributors|blessing", head.Groups["first"].Value));
        Assert.All(
            Regex.Matches(texts, @"(?m)^The text of (\S+) is at the end\.$").Select(match => match.Groups[1].Value).Distinct(),
            licence => Assert.Matches($@"\n={{80}}\n{licence}\n={{80}}\n\n\s*\S", texts));
        Assert.Contains("Permission is hereby granted, free of charge", texts);
        Assert.Contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION", texts);
        Assert.Contains("Redistributions in binary form must reproduce the above", texts);
        Assert.DoesNotContain("\r", texts);
    }

    [Fact]
    public async Task A_tarball_that_does_not_have_its_sum_is_not_deployed()
    {
        using var fetched = new ScratchFolder();
        File.Copy(Path.Combine(release.Folder, "SHA256SUMS"), fetched.File("SHA256SUMS"));
        var tarball = fetched.File($"{Release.Name}.tar.gz");
        File.WriteAllText(tarball, "half of it");

        var (exitCode, said) = await SayAsync(
            "make", "--no-print-directory", "-C", Tool.InRepository("."), "deploy", "HOSTS=127.0.0.2", "ROLE=worker", $"TARBALL={tarball}");

        Assert.NotEqual(0, exitCode);
        Assert.Contains($"deploy: {tarball} does not have the sum that SHA256SUMS beside it says; fetch it again\n", said);
    }

    private JsonNode ReadBill()
    {
        var inside = File.ReadAllText(Path.Combine(release.Unpacked, "dts.cdx.json"));

        Assert.Equal(inside, File.ReadAllText(Path.Combine(release.Folder, $"{Release.Name}.cdx.json")));
        return JsonNode.Parse(inside)!;
    }

    /// <summary>Those that a project of the product names and that have an assembly, with their central versions.</summary>
    private static IEnumerable<KeyValuePair<string, string>> PackagesOfTheProduct()
    {
        var central = Regex.Matches(
                File.ReadAllText(Tool.InRepository("Directory.Packages.props")), "<PackageVersion Include=\"(.+?)\" Version=\"(.+?)\"")
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        return new[] { "common/Dts.Common.csproj", "master/Dts.Master.csproj", "worker/Dts.Worker.csproj" }
            .SelectMany(project => Regex.Matches(File.ReadAllText(Tool.InRepository(project)), "<PackageReference Include=\"(.+?)\""))
            .Select(match => match.Groups[1].Value)
            .Where(name => name != "SQLitePCLRaw.bundle_e_sqlite3") // It only names others.
            .Select(name => KeyValuePair.Create(name, central[name]));
    }

    private static IEnumerable<string> NamesIn(string folder) =>
        Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    private static string SumOf(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    private static async Task<(int ExitCode, string Said)> SayAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, Environment = { ["MAKEFLAGS"] = "" } };
        using var process = Process.Start(start)!;
        var said = await process.StandardError.ReadToEndAsync().WaitAsync(Patience.Limit);
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (process.ExitCode, said);
    }
}
