#if SABOTAGE
namespace Dts.Worker;

/// <summary>
/// Breaks one promise on purpose, to show that the fault test and the simulation notice. No executable for release has it, except the one
/// that <c>make chaos-judge</c> builds.
/// </summary>
internal static class Sabotage
{
    private static readonly string? Everywhere = Environment.GetEnvironmentVariable("DTS_SABOTAGE");

    [ThreadStatic]
    private static string? _here;

    /// <summary>The promise that is broken on this thread, for the simulation; null = the one that DTS_SABOTAGE names.</summary>
    public static string? Chosen
    {
        get => _here ?? Everywhere;
        set => _here = value;
    }

    /// <summary>Claims do not compare the cursor.</summary>
    public static bool OfCursor => Chosen == "cursor";

    /// <summary>One request carries several claims of a job.</summary>
    public static bool OfTurns => Chosen == "turns";

    /// <summary>A worker without a session treats a backlog as empty.</summary>
    public static bool OfBacklog => Chosen == "backlog";

    /// <summary>Runs start although the session may be lost.</summary>
    public static bool OfSession => Chosen == "session";

    /// <summary>Records are reported as written before they are.</summary>
    public static bool OfSpool => Chosen == "spool";
}
#endif
