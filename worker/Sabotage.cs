#if SABOTAGE
namespace Dts.Worker;

/// <summary>
/// Breaks one promise on purpose, to show that the fault test notices. Only the executable that <c>make chaos-judge</c> builds has it.
/// </summary>
internal static class Sabotage
{
    private static readonly string? Chosen = Environment.GetEnvironmentVariable("DTS_SABOTAGE");

    /// <summary>Claims do not compare the cursor.</summary>
    public static bool OfCursor => Chosen == "cursor";

    /// <summary>One request carries several claims of a job.</summary>
    public static bool OfTurns => Chosen == "turns";

    /// <summary>A worker without a session treats a gap as empty.</summary>
    public static bool OfGap => Chosen == "gap";

    /// <summary>Runs start although the session may be lost.</summary>
    public static bool OfSession => Chosen == "session";

    /// <summary>Records are reported as written before they are.</summary>
    public static bool OfSpool => Chosen == "spool";
}
#endif
