namespace Dts.Worker;

/// <summary>Goes the way of a fire through the loops that schedule, claim and launch, and takes along how they stand. It comes out only while all of them turn.</summary>
internal sealed class Pulse
{
    private readonly TaskCompletionSource _out = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when it has come out.</summary>
    public Task Out => _out.Task;

    /// <summary>How many jobs are known.</summary>
    public int Jobs { get; set; }

    /// <summary>How many commands run.</summary>
    public int Running { get; set; }

    /// <summary>How late the last command started; null = none has yet.</summary>
    public double? LagMs { get; set; }

    public void ComeOut() => _out.TrySetResult();
}
