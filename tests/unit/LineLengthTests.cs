using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit;

public sealed class LineLengthTests
{
    private const int ColumnsMax = 140;

    [Fact]
    public void No_line_of_code_is_over_140_columns()
    {
        var root = Tool.InRepository(".");
        string[] parts = ["common", "master", "worker", "tests"];

        var tooLong = parts
            .SelectMany(part => Directory.EnumerateFiles(Path.Combine(root, part), "*.cs", SearchOption.AllDirectories))
            .Order()
            .SelectMany(file => File.ReadLines(file)
                .Select((line, index) => (line.Length, Place: $"{Path.GetRelativePath(root, file)}:{index + 1}")))
            .Where(line => line.Length > ColumnsMax)
            .Select(line => $"{line.Place} has {line.Length} columns");

        Assert.Equal("", string.Join('\n', tooLong));
    }
}
