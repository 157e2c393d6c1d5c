using System.Text.Json.Serialization;
using Dts.Common.Hosting;

namespace Dts.Master.Jobs;

/// <summary>What happens to a job when a set is applied.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<JobChangeKind>))]
internal enum JobChangeKind
{
    Created,

    Changed,

    Unchanged,

    Deleted,
}
