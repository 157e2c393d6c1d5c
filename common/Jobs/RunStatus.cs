using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>How a fire or a run ended.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<RunStatus>))]
public enum RunStatus
{
    Succeeded,

    Failed,

    TimedOut,

    Killed,

    /// <summary>The job was deleted, paused or killed before the start.</summary>
    Cancelled,

    /// <summary>An earlier run of the job was still in flight.</summary>
    Skipped,

    /// <summary>No worker could start it in time.</summary>
    Missed,

    /// <summary>Nobody followed it any more: its worker's session expired, or its holder died.</summary>
    Lost,
}

public static class RunStatusWords
{
    private static readonly Dictionary<string, RunStatus> ByWord = Enum.GetValues<RunStatus>().ToDictionary(status => status.Word());

    /// <summary>The word for a status, the same in JSON, in the log store and in the journal.</summary>
    public static string Word(this RunStatus status) => JsonNamingPolicy.CamelCase.ConvertName(status.ToString());

    /// <summary>Null = there is no status with this word.</summary>
    public static RunStatus? Find(string word) => ByWord.TryGetValue(word, out var status) ? status : null;
}
