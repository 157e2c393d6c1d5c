using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>Statements with parameters.</summary>
internal static class SqliteStatements
{
    /// <returns>How many rows have changed.</returns>
    public static int Execute(this SqliteConnection connection, string sql, params (string Name, object Value)[] parameters)
    {
        using var command = Prepare(connection, sql, parameters);
        return command.ExecuteNonQuery();
    }

    public static List<T> Rows<T>(
        this SqliteConnection connection, string sql, IEnumerable<(string Name, object Value)> parameters, Func<SqliteDataReader, T> read)
    {
        using var command = Prepare(connection, sql, parameters);
        using var rows = command.ExecuteReader();
        var found = new List<T>();
        while (rows.Read())
        {
            found.Add(read(rows));
        }

        return found;
    }

    private static SqliteCommand Prepare(
        SqliteConnection connection, string sql, IEnumerable<(string Name, object Value)> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }
}
