using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit;

/// <summary>What a clone brings.</summary>
public sealed class RepositoryTests
{
    private const long BytesMax = 300_000;

    private static readonly string[] TopLevel =
    [
        ".ci", ".editorconfig", ".gitignore", "CHANGELOG.md", "Directory.Build.props", "Directory.Build.targets",
        "Directory.Packages.props", "LICENSE", "Makefile", "README.md", "common", "docs", "dts.slnx", "global.json", "master", "nginx",
        "systemd", "tests", "worker",
    ];

    [Fact]
    public async Task It_holds_only_the_folders_that_the_project_has_and_nothing_that_was_built()
    {
        var root = Tool.InRepository(".");
        var files = (await Tool.RunAsync("git", "-C", root, "ls-files", "-z")).Split('\0', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("", string.Join(' ', files.Select(file => file.Split('/')[0]).Distinct().Except(TopLevel)));
        var large = files.Where(file => new FileInfo(Path.Combine(root, file)) is { Exists: true, Length: > BytesMax });
        Assert.Equal("", string.Join(' ', large));
    }
}
