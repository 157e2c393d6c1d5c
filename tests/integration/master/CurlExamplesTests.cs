using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The examples in docs/api.md do what it says. They are run as written, but for the master's port.</summary>
public sealed class CurlExamplesTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const int CountMin = 20;

    [Fact]
    public async Task Each_example_is_answered_as_the_page_shows()
    {
        using var folder = new ScratchFolder();
        await master.LogStore.WriteAsync([Some.Record(0)], CancellationToken.None); // The run of hello.
        var examples = Read(File.ReadAllLines(Tool.InRepository("../docs/api.md"))).ToList();
        Assert.InRange(examples.Count, CountMin, int.MaxValue);

        foreach (var (command, expected) in examples)
        {
            var here = command.Replace("http://127.0.0.1:8070", $"{master.Http.BaseAddress}".TrimEnd('/'), StringComparison.Ordinal);
            var said = await Tool.RunAsync("/bin/sh", ["-c", $"cd {folder.Path}; {here}"]);

            Assert.True(Pattern(expected).IsMatch(said.Trim()), $"{command}\nsays\n{said}\ndocs/api.md says\n{expected}");
        }
    }

    /// <summary>A command that begins with "$ curl" and the lines below it, up to the next command.</summary>
    private static IEnumerable<(string Command, string Expected)> Read(IEnumerable<string> page)
    {
        var command = "";
        List<string> expected = [];
        foreach (var line in page)
        {
            if (command.Length > 0 && (line.StartsWith("$ ", StringComparison.Ordinal) || line == "```"))
            {
                yield return (command, string.Join('\n', expected));
                command = "";
            }

            if (line.StartsWith("$ curl ", StringComparison.Ordinal))
            {
                (command, expected) = (line[2..], []);
            }
            else
            {
                expected.Add(line);
            }
        }
    }

    private static Regex Pattern(string expected) =>
        new($"^{Regex.Escape(expected).Replace("…", ".*", StringComparison.Ordinal)}$", RegexOptions.Singleline);
}
