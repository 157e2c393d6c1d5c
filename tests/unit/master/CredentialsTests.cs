using System.Net;
using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master;
using Dts.Master.Access;
using Dts.Tests.Support;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class CredentialsTests
{
    private static readonly Keys Keys = new(Keys.DefaultPrefix);
    private static readonly Person Mara = new("editor", "label:team=pay", null, Some.Now, "tests");

    private readonly ManualTime _time = new();
    private readonly AccessTable _table;

    public CredentialsTests() => _table = new AccessTable(Keys, _time);

    [Fact]
    public void A_master_without_records_is_open_to_its_own_host()
    {
        _table.Apply([], (_, _) => { });
        Assert.Equal("local admin", Describe(Credentials().Find(Request())));

        Put(Keys.Person("mara"), JsonSerializer.Serialize(Mara, AccessJson.Readable.Person));

        Assert.IsType<Identification.NoCredentials>(Credentials().Find(Request()));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("""{"role":"emperor","filter":"","createdAt":"2026-11-22T10:00:00Z","by":"x"}""")]
    public void An_unreadable_record_lets_nobody_in_but_closes_the_master(string value)
    {
        _table.Apply([], (_, _) => { });
        Put(Keys.Person("mara"), value);

        Assert.IsType<Identification.NoCredentials>(Credentials().Find(Request()));
        Assert.Empty(_table.People);

        _table.Apply([new KeyChange.Deleted(Keys.Person("mara"), 2)], (_, _) => { });
        Assert.Equal("local admin", Describe(Credentials().Find(Request())));
    }

    [Theory]
    [InlineData("--listen", "10.0.0.1")]
    [InlineData("--trustedProxies", "10.0.0.1")]
    [InlineData("--apiToken", "0123456789abcdef")]
    public void A_setting_that_identifies_some_callers_closes_the_master_to_all_others(string setting, string value)
    {
        _table.Apply([], (_, _) => { });

        Assert.IsType<Identification.NoCredentials>(Credentials(setting, value).Find(Request()));
    }

    [Fact]
    public void Until_etcd_has_been_read_only_the_holder_of_the_apiToken_is_known()
    {
        Assert.IsType<Identification.Unavailable>(Credentials().Find(Request()));
        Assert.IsType<Identification.Unavailable>(Credentials().Find(Request(authorization: "Bearer dts_x")));
        var withToken = Credentials("--apiToken", "0123456789abcdef");
        Assert.Equal("token admin", Describe(withToken.Find(Request(authorization: "Bearer 0123456789abcdef"))));
        Assert.IsType<Identification.Unavailable>(withToken.Find(Request(authorization: "Bearer dts_x")));
    }

    [Fact]
    public void After_a_long_outage_of_etcd_nobody_is_known()
    {
        _table.Apply([], (_, _) => { });
        var value = Secret.NewToken();
        Put(Keys.Token("t"), Json(new AccessToken("viewer", "", Secret.Digest(value), Some.Now, "tests")));
        var cutOff = TimeSpan.Zero;
        var credentials = new Credentials(Settings(), _table, () => cutOff);
        Assert.Equal("t viewer", Describe(credentials.Find(Request(authorization: $"Bearer {value}"))));

        cutOff = TimeSpan.FromMinutes(16);

        Assert.IsType<Identification.Unavailable>(credentials.Find(Request(authorization: $"Bearer {value}")));
    }

    [Fact]
    public void A_token_is_valid_until_it_expires_or_is_removed()
    {
        _table.Apply([], (_, _) => { });
        var value = Secret.NewToken();
        Put(Keys.Token("t"), Json(new AccessToken("operator", "", Secret.Digest(value), Some.Now, "tests", _time.GetUtcNow().AddHours(1))));
        Put(Keys.Token("u"), Json(new AccessToken("viewer", "", "00", Some.Now, "tests")));
        var request = Request(authorization: $"Bearer {value}");
        Assert.Equal("t operator", Describe(Credentials().Find(request)));

        _time.Advance(TimeSpan.FromHours(1));
        Assert.IsType<Identification.WrongToken>(Credentials().Find(request));

        Put(Keys.Token("t"), Json(new AccessToken("operator", "", Secret.Digest(value), Some.Now, "tests")));
        Assert.Equal("t operator", Describe(Credentials().Find(request)));
        _table.Apply([new KeyChange.Deleted(Keys.Token("t"), 3)], (_, _) => { });
        Assert.IsType<Identification.WrongToken>(Credentials().Find(request));
    }

    [Theory]
    [InlineData("10.0.0.1",          "mara",     "mara editor by browser")]
    [InlineData("::ffff:10.0.0.1",   "mara",     "mara editor by browser")]
    [InlineData("10.0.0.1",          "stranger", "UnknownPerson")]
    [InlineData("10.0.0.1",          "",         "NoCredentials")]
    [InlineData("10.0.0.2",          "mara",     "NoCredentials")]
    [InlineData("127.0.0.1",         "mara",     "NoCredentials")]
    public void Only_a_trusted_proxy_names_a_person(string peer, string user, string expected)
    {
        _table.Apply([], (_, _) => { });
        Put(Keys.Person("mara"), JsonSerializer.Serialize(Mara, AccessJson.Readable.Person));

        Assert.Equal(expected, Describe(Credentials("--trustedProxies", "10.0.0.1").Find(Request(peer, user: user))));
    }

    [Fact]
    public void A_session_ends_when_it_expires_or_its_password_changes()
    {
        _table.Apply([], (_, _) => { });
        var person = Mara with { Password = new PasswordHash("first", 1, [1], [1]) };
        Put(Keys.Person("mara"), JsonSerializer.Serialize(person, AccessJson.Readable.Person));
        var value = Secret.NewValue();
        var session = new Session(
            Session.OfPerson, "mara", "first", "192.0.2.1", _time.GetUtcNow(), _time.GetUtcNow().AddHours(12));
        Put(Keys.Session(Secret.Digest(value)), JsonSerializer.Serialize(session, AccessJson.Readable.Session));
        var request = Request(cookie: value);
        Assert.Equal("mara editor by browser", Describe(Credentials().Find(request)));
        Assert.True(_table.IsUsedBy("mara", IPAddress.Parse("192.0.2.1")));

        Put(
            Keys.Person("mara"),
            JsonSerializer.Serialize(person with { Password = new PasswordHash("second", 1, [1], [1]) }, AccessJson.Readable.Person));
        Assert.IsType<Identification.SessionEnded>(Credentials().Find(request));

        Put(Keys.Person("mara"), JsonSerializer.Serialize(person, AccessJson.Readable.Person));
        _time.Advance(TimeSpan.FromHours(12));
        Assert.IsType<Identification.SessionEnded>(Credentials().Find(request));
    }

    private static string Json(AccessToken token) => JsonSerializer.Serialize(token, AccessJson.Readable.AccessToken);

    private static string Describe(Identification found) => found is Identification.Known(var caller, var isSentByBrowser)
        ? $"{caller.Name} {caller.Role.Word()}{(isSentByBrowser ? " by browser" : "")}"
        : found.GetType().Name;

    private static MasterSettings Settings(params string[] arguments) => MasterSettings.Read(SettingsReader.Load(arguments, ""));

    private Credentials Credentials(params string[] arguments) => new(Settings(arguments), _table);

    private void Put(string key, string value) =>
        _table.Apply([new KeyChange.Put(key, 1, 1, default, ByteString.CopyFromUtf8(value))], (_, _) => { });

    private static DefaultHttpContext Request(
        string peer = "127.0.0.1", string? authorization = null, string? user = null, string? cookie = null)
    {
        var http = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(peer) } };
        http.Request.Headers.Authorization = authorization;
        http.Request.Headers[Dts.Master.Access.Credentials.ProxyHeader] = user;
        http.Request.Headers.Cookie = cookie is null ? null : $"{Dts.Master.Access.Credentials.Cookie}={cookie}";
        return http;
    }
}
