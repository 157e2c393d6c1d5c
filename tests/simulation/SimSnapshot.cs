namespace Dts.Tests.Simulation;

/// <summary>What a <see cref="SimEtcd"/> had at one moment, with its history and its leases.</summary>
internal sealed class SimSnapshot
{
    private readonly SimLeases _leases;
    private readonly SimKeys _keys;

    public SimSnapshot(SimKeys keys, SimLeases leases)
    {
        _leases = leases.Copy();
        _keys = keys.Copy(_leases);
    }

    /// <param name="now">From then on each lease has all of its time.</param>
    public (SimKeys Keys, SimLeases Leases) Copy(DateTimeOffset now)
    {
        var leases = _leases.Copy(now);
        return (_keys.Copy(leases), leases);
    }
}
