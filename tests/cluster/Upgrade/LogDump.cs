using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Dts.Tests.Cluster.Upgrade;

/// <summary>The embedded log store as SQL: its schema, and a row of each form.</summary>
internal static class LogDump
{
    private const int WordMax = 20;

    public static string Of(string path)
    {
        using var file = new SqliteConnection($"Data Source={path};Pooling=False;Mode=ReadOnly");
        file.Open();
        var sql = new StringBuilder();
        var tables = Query(file, "select name, sql from sqlite_master where sql is not null order by type desc, name");
        tables.ForEach(table => sql.Append(CultureInfo.InvariantCulture, $"{table[1]};\n"));
        foreach (var table in Query(file, "select name from sqlite_master where type = 'table' order by name").Select(row => row[0]))
        {
            var columns = Query(file, $"select name from pragma_table_info('{table}')").Select(row => row[0]).ToList();
            var quoted = string.Join(", ", columns.Select(column => $"quote({column})"));
            foreach (var row in Query(file, $"select {quoted} from {table}").DistinctBy(row => string.Join('|', row.Select(ShapeOf))))
            {
                var values = string.Join(", ", row);
                sql.Append(CultureInfo.InvariantCulture, $"insert into {table} ({string.Join(", ", columns)}) values ({values});\n");
            }
        }

        return sql.ToString();
    }

    /// <summary>A short word stands for itself: a job's name, an ending, the name of a count.</summary>
    private static string ShapeOf(string quoted) =>
        quoted.StartsWith("'{", StringComparison.Ordinal) ? Shape.OfValue(quoted[1..^1].Replace("''", "'", StringComparison.Ordinal))
        : quoted.Length <= WordMax && !quoted.Any(char.IsAsciiDigit) ? quoted
        : "";

    private static List<string[]> Query(SqliteConnection file, string sql)
    {
        using var command = file.CreateCommand();
        command.CommandText = sql;
        using var rows = command.ExecuteReader();
        var found = new List<string[]>();
        while (rows.Read())
        {
            found.Add([.. Enumerable.Range(0, rows.FieldCount).Select(rows.GetString)]);
        }

        return found;
    }
}
