using System.Globalization;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>
/// How long a fault test lasts (CHAOS_MINUTES), its seed (CHAOS_SEED), its faults (CHAOS_FAULTS), and a folder for the logs if it fails
/// (CHAOS_KEEP).
/// </summary>
/// <remarks>
/// With an odd seed etcd has users, alternately with simple and signed tokens; the faults "auth-simple" and "auth-signed" force one kind.
/// </remarks>
internal static class ChaosSettings
{
    private const string WithSimpleTokens = "auth-simple";
    private const string WithSignedTokens = "auth-signed";

    private static readonly string[] Chosen = Read("CHAOS_FAULTS", "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    public static double Minutes { get; } = double.Parse(Read("CHAOS_MINUTES", "1"), CultureInfo.InvariantCulture);

    public static int Seed { get; } = int.Parse(
        Read("CHAOS_SEED", $"{Random.Shared.Next(1000, 10_000)}"), CultureInfo.InvariantCulture);

    /// <summary>Empty = all.</summary>
    public static string[] Faults { get; } = [.. Chosen.Except([WithSimpleTokens, WithSignedTokens])];

    /// <summary>Empty = the logs are not kept.</summary>
    public static string KeepAt { get; } = Read("CHAOS_KEEP", "");

    public static EtcdTokens Tokens =>
        Chosen.Contains(WithSimpleTokens) ? EtcdTokens.Simple
        : Chosen.Contains(WithSignedTokens) ? EtcdTokens.Signed
        : Chosen.Length > 0 || Seed % 2 == 0 ? EtcdTokens.None
        : Seed % 4 == 1 ? EtcdTokens.Simple : EtcdTokens.Signed;

    public static string Read(string name, string usual) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : usual;
}
