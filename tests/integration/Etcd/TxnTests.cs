using Dts.Common.Etcd;
using Dts.Tests.Support;
using Etcdserverpb;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

/// <summary>What the claim relies on in etcd's transactions.</summary>
public sealed class TxnTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private string A => Keys.Lock("a");

    private string B => Keys.Lock("b");

    [Theory]
    [InlineData("2026-01-01", "2026-01-02", true)]
    [InlineData("2026-01-02", "2026-01-02", false)]
    [InlineData("2026-01-02 w1", "2026-01-02", false)] // longer is later
    [InlineData("2026-01-01 w1", "2026-01-02", true)]
    [InlineData("", "2026-01-02", true)]
    [InlineData(null, "2026-01-02", false)] // a missing key is below nothing
    public async Task A_value_is_below_another_in_byte_order_and_a_missing_one_never_is(string? there, string than, bool isBelow)
    {
        if (there is not null)
        {
            await Etcd.PutAsync(A, there);
        }

        Assert.Equal(isBelow, (await Etcd.TxnAsync(Txn.If(Txn.ValueBelow(A, than)))).Succeeded);
    }

    [Fact]
    public async Task None_under_a_prefix_is_true_exactly_when_it_is_empty()
    {
        var none = Txn.If(Txn.NoneUnder(Keys.Workers));
        await Etcd.PutAsync(Keys.Workers[..^1], "before it");
        await Etcd.PutAsync(Keys.Workers[..^1] + "0", "after it"); // '0' comes after '/'
        Assert.True((await Etcd.TxnAsync(none)).Succeeded);

        await Etcd.PutAsync(Keys.Worker("1"), "");
        await Etcd.PutAsync(Keys.Worker("2"), "");
        Assert.False((await Etcd.TxnAsync(none)).Succeeded);
        await Etcd.DeleteAsync(Keys.Worker("1"));
        Assert.False((await Etcd.TxnAsync(none)).Succeeded);

        await Etcd.DeleteAsync(Keys.Worker("2"));
        Assert.True((await Etcd.TxnAsync(none)).Succeeded);
    }

    [Fact]
    public async Task Unchanged_means_the_same_revision()
    {
        var revision = (await Etcd.PutAsync(A, "1")).Header.Revision;
        Assert.True((await Etcd.TxnAsync(Txn.If(Txn.Unchanged(A, revision)))).Succeeded);
        await Etcd.PutAsync(A, "1");

        Assert.False((await Etcd.TxnAsync(Txn.If(Txn.Unchanged(A, revision)))).Succeeded);
        Assert.True((await Etcd.TxnAsync(Txn.If(Txn.Unchanged(B, 0), Txn.Missing(B)))).Succeeded);
    }

    [Fact]
    public async Task All_comparisons_see_the_state_before_the_request()
    {
        var first = Txn.If(Txn.Missing(A)).Then(Txn.Put(A, "first"));
        var second = Txn.If(Txn.Missing(A)).Then(Txn.Put(B, "second saw no A"));

        var answer = await Etcd.TxnAsync(Txn.All([Txn.Nested(first), Txn.Nested(second)]));

        Assert.True(answer.Responses.All(response => response.ResponseTxn.Succeeded));
        Assert.Equal(("first", "second saw no A"), (await ReadAsync(A), await ReadAsync(B)));
    }

    [Fact]
    public async Task Within_a_branch_a_read_sees_what_was_put_before_it_and_the_whole_has_one_revision()
    {
        await Etcd.PutAsync(A, "old");
        var answer = await Etcd.TxnAsync(Txn.All([Txn.Get(A), Txn.Put(A, "new"), Txn.Get(A), Txn.Put(B, "too")]));

        Assert.Equal("old", answer.Responses[0].ResponseRange.Kvs[0].Value.ToStringUtf8());
        Assert.Equal("new", answer.Responses[2].ResponseRange.Kvs[0].Value.ToStringUtf8());
        Assert.Equal(
            (answer.Header.Revision, answer.Header.Revision),
            ((await Etcd.FindAsync(A))!.ModRevision, (await Etcd.FindAsync(B))!.ModRevision));
    }

    [Fact]
    public async Task Only_the_chosen_branches_of_a_tree_are_carried_out()
    {
        await Etcd.PutAsync(A, "there");
        var inner = Txn.If(Txn.ValueBelow(A, "z")).Then(Txn.Put(B, "else, then")).Else(Txn.Put(B, "else, else"));
        var outer = Txn.If(Txn.Missing(A)).Then(Txn.Put(B, "then")).Else(Txn.Nested(inner));

        var answer = await Etcd.TxnAsync(outer);

        Assert.False(answer.Succeeded);
        Assert.True(answer.Responses[0].ResponseTxn.Succeeded);
        Assert.Equal("else, then", await ReadAsync(B));
    }

    [Fact]
    public async Task A_hundred_nested_transactions_of_four_operations_pass_in_one_request()
    {
        var nested = Enumerable.Range(0, 100).Select(n => Txn.Nested(Txn
            .If(Txn.Missing(Keys.Worker($"{n}")))
            .Then(Txn.Get(A), Txn.Get(B), Txn.Put(Keys.Worker($"{n}"), ""), Txn.Put(Keys.Lock($"{n}"), ""))));

        var answer = await Etcd.TxnAsync(Txn.All(nested));

        Assert.Equal(100, answer.Responses.Count(response => response.ResponseTxn.Succeeded));
        Assert.Equal(100, (await Etcd.ListAsync(Keys.Workers)).Count);
    }

    [Fact]
    public async Task A_key_s_lease_can_be_compared()
    {
        var lease = await Etcd.GrantAsync(TimeSpan.FromSeconds(60));
        await Etcd.PutAsync(A, "", lease);
        var ours = new Compare
        {
            Key = Txn.Bytes(A), Target = Compare.Types.CompareTarget.Lease, Result = Compare.Types.CompareResult.Equal, Lease = lease.Value,
        };

        Assert.True((await Etcd.TxnAsync(Txn.If(ours))).Succeeded);
        await Etcd.PutAsync(A, "");
        Assert.False((await Etcd.TxnAsync(Txn.If(ours))).Succeeded);
        await Etcd.DeleteAsync(A);
        Assert.False((await Etcd.TxnAsync(Txn.If(ours))).Succeeded);
    }
}
