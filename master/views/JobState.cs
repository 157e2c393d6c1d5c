using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Master.Views;

/// <summary>The state of a job: the first of these that applies.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<JobState>))]
internal enum JobState
{
    /// <summary>No worker can run the saved definition.</summary>
    Broken,

    Paused,

    /// <summary>Its last ending is failed, timedOut, lost or missed.</summary>
    Failing,

    /// <summary>A run of it is in flight.</summary>
    Running,

    /// <summary>A run of it waits in the queue.</summary>
    Queued,

    /// <summary>This master has not read its endings yet.</summary>
    Unknown,

    /// <summary>It has no ending in the log.</summary>
    New,

    Well,
}
