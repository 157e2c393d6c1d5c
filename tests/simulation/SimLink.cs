using Dts.Common.Etcd;
using Etcdserverpb;
using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>The way from one host to etcd: each request and each answer takes its time, and either may be lost.</summary>
internal sealed class SimLink(SimWorld world, SimServer server)
{
    /// <summary>How long etcd may keep a request whose client has given up.</summary>
    private const long EtcdKeeps = 4 * SimWorld.Second;

    private long _cutUntil;
    private long _badUntil;
    private bool _losesAnswer;
    private bool _delaysRequest;

    /// <summary>How long a call may take.</summary>
    public long CallTimeout { get; init; } = 3 * SimWorld.Second;

    public bool IsCut => _cutUntil > world.Now || server.IsAway;

    public SimServer Server => server;

    /// <summary>Whether a connection breaks at this moment.</summary>
    public bool IsBroken => _badUntil > world.Now && world.Chance(0.05);

    /// <summary>Connections are refused at once. Otherwise nothing comes back.</summary>
    public bool IsRefused { get; private set; }

    public void Cut(long time, bool isRefused)
    {
        _cutUntil = Math.Max(_cutUntil, world.Now + time);
        IsRefused = isRefused;
    }

    /// <summary>The next request takes effect, and its answer is lost.</summary>
    public void LoseAnswer() => _losesAnswer = true;

    /// <summary>The next request takes effect when its client has given up.</summary>
    public void DelayRequest() => _delaysRequest = true;

    /// <summary>For a while requests and answers are lost, late, or both.</summary>
    public void Worsen(long time) => _badUntil = Math.Max(_badUntil, world.Now + time);

    public void Txn(
        SimProcess from,
        TxnRequest request,
        Action<TxnResponse> answered,
        Action<EtcdException> failed,
        bool isRepeatable = false) => Call(
            from,
            etcd =>
            {
                var answer = etcd.Txn(request);
                server.Costs?.Note(request, answer);
                return answer;
            },
            answered,
            failed,
            isRepeatable);

    /// <param name="isRepeatable">The client sends it again when no answer comes.</param>
    public void Call<T>(
        SimProcess from,
        Func<SimEtcd, T> request,
        Action<T> answered,
        Action<EtcdException> failed,
        bool isRepeatable = false,
        long? timeout = null)
    {
        var givesUpAt = world.Now + (timeout ?? CallTimeout);
        if (IsCut && IsRefused)
        {
            Fail(from, failed, world.Now + world.Between(1, 20 * SimWorld.Ms));
            return;
        }

        var isBad = _badUntil > world.Now;
        var arrivesAt = world.Now + Delay(isBad);
        if (isBad && world.Chance(0.1))
        {
            if (world.Chance(0.5))
            {
                Fail(from, failed, givesUpAt);
                return;
            }

            arrivesAt = world.Now + world.Between(0, givesUpAt - world.Now + EtcdKeeps);
        }

        if (_delaysRequest)
        {
            (_delaysRequest, arrivesAt) = (false, givesUpAt + world.Between(0, EtcdKeeps));
        }

        var losesAnswer = _losesAnswer;
        _losesAnswer = false;

        var isTwice = isBad && isRepeatable && world.Chance(0.3);
        var restores = server.Restores;
        world.Do(arrivesAt, () =>
        {
            if (IsCut || restores != server.Restores)
            {
                Fail(from, failed, givesUpAt);
                return;
            }

            Carry(from, request, answered, failed, givesUpAt, isBad, losesAnswer);
            if (isTwice)
            {
                world.Do(arrivesAt + Delay(isBad: true), () => Repeat(request));
            }
        });
    }

    private void Carry<T>(
        SimProcess from,
        Func<SimEtcd, T> request,
        Action<T> answered,
        Action<EtcdException> failed,
        long givesUpAt,
        bool isBad,
        bool losesAnswer)
    {
        EtcdException? refusal = null;
        T? answer = default;
        try
        {
            answer = server.Do(request);
            if (answer is IMessage other and not TxnResponse)
            {
                server.Costs?.NoteOther(other);
            }
        }
        catch (EtcdException refused)
        {
            refusal = refused;
        }

        var backAt = world.Now + Delay(isBad);
        if (losesAnswer || backAt > givesUpAt || (isBad && world.Chance(0.1)))
        {
            Fail(from, failed, givesUpAt);
            return;
        }

        world.Do(backAt, () =>
        {
            if (IsCut)
            {
                Fail(from, failed, givesUpAt);
            }
            else if (refusal is not null)
            {
                from.Do(() => failed(refusal));
            }
            else
            {
                from.Do(() => answered(answer!));
            }
        });
    }

    private void Repeat<T>(Func<SimEtcd, T> request)
    {
        try
        {
            _ = server.Do(request);
        }
        catch (EtcdException)
        {
            // Nobody hears of it.
        }
    }

    private void Fail(SimProcess from, Action<EtcdException> failed, long at) =>
        world.Do(at, from, () => failed(new EtcdException(EtcdError.Unavailable, "no answer came in time")));

    /// <summary>Mostly a millisecond; one in a hundred takes much longer.</summary>
    public long Delay(bool isBad = false) =>
        world.Chance(isBad ? 0.3 : 0.01) ? world.Between(1, isBad ? 1500 * SimWorld.Ms : 60 * SimWorld.Ms) : world.Between(100, 1200);
}
