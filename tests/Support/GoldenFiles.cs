namespace Dts.Tests.Support;

/// <summary>What released versions wrote, a folder for each: <c>tests/golden/VERSION</c>. GoldenRecorder makes them.</summary>
internal sealed class GoldenFiles(string version)
{
    private const char Between = '\t';

    public static IEnumerable<GoldenFiles> All =>
        Directory.GetDirectories(Tool.InRepository("tests/golden")).Order().Select(folder => new GoldenFiles(Path.GetFileName(folder)));

    public string Version => version;

    private string Folder => Tool.InRepository($"tests/golden/{version}");

    /// <summary>Keys and values of etcd, one pair a line.</summary>
    public IEnumerable<(string Key, string Value)> Etcd =>
        File.ReadLines(PathOf("etcd.tsv")).Select(line => line.Split(Between, 2)).Select(pair => (pair[0], pair[1]));

    /// <summary>A worker's data folder: spool, launch journal, output.</summary>
    public string Data => PathOf("data");

    /// <summary>The first message of a holder to the next worker.</summary>
    public string Holds => File.ReadAllText(PathOf("holds.json"));

    /// <summary>The embedded log store as SQL.</summary>
    public string Log => File.ReadAllText(PathOf("log.sql"));

    /// <summary>Documents of MongoDB's collection log, one a line.</summary>
    public IEnumerable<string> Documents => File.ReadLines(PathOf("log.bson"));

    public string OpenApi => File.ReadAllText(PathOf("openapi.json"));

    public string PathOf(string name) => Path.Combine(Folder, name);

    public void WriteEtcd(IEnumerable<(string Key, string Value)> pairs) =>
        File.WriteAllLines(PathOf("etcd.tsv"), pairs.Select(pair => $"{pair.Key}{Between}{pair.Value}"));

    public override string ToString() => version;
}
