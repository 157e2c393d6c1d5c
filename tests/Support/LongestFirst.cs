using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(Dts.Tests.Support.LongestFirst))]

namespace Dts.Tests.Support;

/// <summary>Starts the classes that take a minute or more first. One that starts last would run long after all others have ended.</summary>
internal sealed class LongestFirst : ITestCollectionOrderer
{
    // By their time on two busy cores.
    private static readonly string[] Longest =
    [
        "booted hosts",
        "LifeOfARunTests",
        "AlertAbsenceTests",
        "ChaosTests",
        "AlertFailoverTests",
    ];

    public IReadOnlyCollection<T> OrderTestCollections<T>(IReadOnlyCollection<T> testCollections)
        where T : ITestCollection =>
        [.. testCollections.OrderBy(collection => PlaceOf(collection.TestCollectionDisplayName))];

    private static int PlaceOf(string collection)
    {
        var place = Array.FindIndex(Longest, name => collection.Contains(name, StringComparison.Ordinal));
        return place < 0 ? Longest.Length : place;
    }
}
