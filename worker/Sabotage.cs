#if SABOTAGE
namespace Dts.Worker;

/// <summary>
/// Breaks one promise on purpose, so that the fault test can show that it would notice. Only in an executable built for that (make
/// chaos-judge).
/// </summary>
internal static class Sabotage
{
    private static readonly string? Chosen = Environment.GetEnvironmentVariable("DTS_SABOTAGE");

    /// <summary>Claims do not compare the cursor.</summary>
    public static bool OfCursor => Chosen == "cursor";

    /// <summary>One request carries several claims of a job.</summary>
    public static bool OfTurns => Chosen == "turns";

    /// <summary>A worker without a session takes a gap for empty.</summary>
    public static bool OfGap => Chosen == "gap";

    /// <summary>Runs start without a look at the session.</summary>
    public static bool OfSession => Chosen == "session";

    /// <summary>Records are called written before they are.</summary>
    public static bool OfSpool => Chosen == "spool";
}
#endif
