#if SABOTAGE
namespace Dts.Worker.Records;

/// <summary>Writes each batch one batch later than it says.</summary>
internal sealed partial class Spool
{
    private byte[] _heldBack = [];

    partial void HoldBack(MemoryStream entries)
    {
        if (Sabotage.OfSpool)
        {
            var batch = entries.ToArray();
            entries.SetLength(0);
            entries.Write(_heldBack);
            _heldBack = batch;
        }
    }
}
#endif
