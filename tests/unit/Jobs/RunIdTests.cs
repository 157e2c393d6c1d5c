using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class RunIdTests
{
    [Theory]
    [InlineData("20261122T100000Z",                                  "",                    1, "")]
    [InlineData("20261122T100000Z-2",                                "",                    2, "")]
    [InlineData("20261122T100000Z@w-1",                              "",                    1, "w-1")]
    [InlineData("20261122T100000Z-3@worker-manual-1",                "",                    3, "worker-manual-1")]
    [InlineData("20261122T100000Z-manual-1a2b3c4d5e6f",              "manual-1a2b3c4d5e6f", 1, "")]
    [InlineData("20261122T100000Z-manual-123456789012",              "manual-123456789012", 1, "")] // Digits by chance.
    [InlineData("20261122T100000Z-after-123456789012-2@w1",          "after-123456789012",  2, "w1")]
    public void A_run_id_parses_into_its_parts(string text, string origin, int attempt, string worker)
    {
        Assert.True(RunId.TryParse(text, out var parts));
        Assert.Equal(new RunIdParts(Some.Now, origin, attempt, worker), parts);
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-11-22T10:00:00Z")]
    [InlineData("20261322T100000Z")]
    [InlineData("20261122T100000Zx")]
    [InlineData("20261122T100000Z-1")]
    [InlineData("20261122T100000Z-02")]
    [InlineData("20261122T100000Z-")]
    [InlineData("20261122T100000Z@")]
    [InlineData("5f0c6d0a1b2c3d4e5f60718a")] // The original's.
    public void A_foreign_text_is_not_a_run_id(string text) => Assert.False(RunId.TryParse(text, out _));
}
