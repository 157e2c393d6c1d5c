using System.Text;
using Dts.Common.Etcd;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Etcd;

public sealed class PackedMapTests
{
    private readonly PackedMap<long> _map = new();

    [Fact]
    public void A_key_is_found_by_its_bytes_until_it_is_removed()
    {
        Put("a", 1);
        Put("b", 2);
        Put("a", 3);

        Assert.Equal((2, 3, 2), (_map.Count, Find("a"), Find("b")));
        Assert.True(_map.Remove("a"u8));
        Assert.False(_map.Remove("a"u8));
        Assert.Equal((1, null, 2), (_map.Count, Find("a"), Find("b")));
    }

    [Fact]
    public void An_entry_keeps_its_index_while_others_come_and_go()
    {
        Put("stays", 1);
        var index = _map.Find("stays"u8);
        for (var n = 0; n < 100_000; n++)
        {
            Put($"{n} with a name that is long enough to fill chunks", n);
            _map.Remove(Encoding.UTF8.GetBytes($"{n / 2} with a name that is long enough to fill chunks"));
        }

        Assert.Equal((index, "stays", 1), (_map.Find("stays"u8), Encoding.UTF8.GetString(_map.KeyAt(index)), _map[index]));
        Assert.True(_map.IndexEnd <= 50_002, $"{_map.IndexEnd} entries");
    }

    [Fact]
    public void After_any_changes_it_has_what_a_dictionary_has()
    {
        var random = Some.Random();
        var oracle = new Dictionary<string, long>();
        string[] names = [.. Enumerable.Range(0, 2000).Select(n => new string((char)('a' + (n % 26)), n % 37 == 0 ? 20_000 : n % 200) + n)];
        for (var n = 0; n < 200_000; n++)
        {
            var name = names[random.Next(names.Length)];
            if (random.Next(3) == 0)
            {
                Assert.Equal(oracle.Remove(name), _map.Remove(Encoding.UTF8.GetBytes(name)));
            }
            else
            {
                Put(name, oracle[name] = n);
            }
        }

        var there = Enumerable.Range(0, _map.IndexEnd)
            .Where(_map.Has)
            .ToDictionary(index => Encoding.UTF8.GetString(_map.KeyAt(index)), index => _map[index]);
        Assert.Equal(oracle, there);
        Assert.Equal(oracle.Count, _map.Count);
        Assert.All(oracle, pair => Assert.Equal(pair.Value, Find(pair.Key)));
    }

    private void Put(string key, long value) => _map[_map.FindOrAdd(Encoding.UTF8.GetBytes(key))] = value;

    private long? Find(string key) => _map.Find(Encoding.UTF8.GetBytes(key)) is >= 0 and var index ? _map[index] : null;
}
