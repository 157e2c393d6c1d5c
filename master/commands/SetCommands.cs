using System.CommandLine;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Commands about many jobs at once.</summary>
internal sealed class SetCommands(CommandLine line)
{
    private static readonly TimeSpan AppliesWithin = TimeSpan.FromMinutes(2);

    public IEnumerable<Command> All => [Import(), Apply(), Export()];

    private Command Import()
    {
        var file = new Argument<string>("file") { Description = "A crontab; - is standard input", DefaultValueFactory = _ => "-" };
        var dryRun = CommandLine.Flag("--dry-run", "Say what would be imported, and save nothing");
        var format = CommandLine.Text("--format", "user, system (with a user in each line), or empty to find out");
        var user = CommandLine.Text("--user", "The user that the commands run as");
        var prefix = CommandLine.Text("--prefix", "Begins the names of the jobs");
        var label = CommandLine.Texts("--label", "KEY=VALUE for all jobs; may be repeated", "-l");
        var paused = CommandLine.Flag("--paused", "Save the jobs paused");
        var replace = CommandLine.Flag("--replace", "Change jobs of the same names that differ");
        return line.Make("import", "Imports a crontab", async asked =>
        {
            var path = ApiClient.Query(
                ApiClient.Path("import"),
                [
                    ("format", asked.Of(format)),
                    ("user", asked.Of(user)),
                    ("prefix", asked.Of(prefix)),
                    ("paused", Flag(asked.Of(paused))),
                    ("replace", Flag(asked.Of(replace))),
                    ("dryRun", Flag(asked.Of(dryRun))),
                    .. asked.Of(label)!.Select(text => ("label", (string?)text)),
                ]);
            using var body = ApiClient.Bytes(await asked.Terminal.ReadFileAsync(asked.Of(file), asked.Cancel), "text/plain");
            var answer = await asked.Api.SendAsync(HttpMethod.Post, path, body, asked.Cancel, AppliesWithin);
            return asked.Print(answer, () => ShowImport(asked.Terminal, answer));
        }, file, dryRun, format, user, prefix, label, paused, replace);
    }

    private static void ShowImport(Terminal terminal, JsonNode answer)
    {
        foreach (var read in answer.List("lines"))
        {
            terminal.Line($"line {read.Text("line")}: " + read.Text("kind") switch
            {
                "job" => $"{read.Line("change")} {read.Line("name")}: {read.Text("words")}",
                "variable" => $"variable {read.Line("name")}",
                "disabled" => "is turned off by its #, and not imported",
                _ => $"refused: {read.Text("reason")}",
            });
            ShowMembers(terminal, read);
            foreach (var note in read.Texts("notes"))
            {
                terminal.Line($"    {note}");
            }
        }

        foreach (var note in answer.Texts("notes"))
        {
            terminal.Line($"note: {note}");
        }

        ShowCounts(terminal, answer, "created", "changed", "unchanged", "refused");
    }

    private Command Apply()
    {
        var files = new Argument<string[]>("file")
        {
            Description = "Files with jobs as JSON or YAML; - is standard input", Arity = ArgumentArity.OneOrMore,
        };
        var dryRun = CommandLine.Flag("--dry-run", "Print the plan, and change nothing");
        var prune = CommandLine.Text("--prune", "label:KEY=VALUE: delete jobs with this label that are not in the files");
        var lenient = CommandLine.Flag("--lenient", "Keep members that are not known");
        return line.Make("apply", "Makes the jobs those of files: all of them, or none", async asked =>
        {
            var path = ApiClient.Query(
                ApiClient.Path("apply"),
                ("prune", asked.Of(prune)),
                ("lenient", Flag(asked.Of(lenient))),
                ("dryRun", Flag(asked.Of(dryRun))));
            using var body = ApiClient.Json(await ReadAsync(asked, asked.Of(files)));
            var answer = await asked.Api.SendAsync(HttpMethod.Post, path, body, asked.Cancel, AppliesWithin);
            return asked.Print(answer, () => ShowPlan(asked.Terminal, answer));
        }, files, dryRun, prune, lenient);
    }

    private static async Task<JsonArray> ReadAsync(Asked asked, string[] files)
    {
        var set = new JsonArray();
        foreach (var file in files)
        {
            try
            {
                foreach (var wanted in Crontab.JobSet.Read(await asked.Terminal.ReadFileAsync(file, asked.Cancel), ""))
                {
                    set.Add(wanted.Members?.DeepClone()
                        ?? throw new CommandFailure(ExitCodes.Refused, $"{file}, {wanted.Place}: {wanted.Fault}"));
                }
            }
            catch (FormatException wrong)
            {
                throw new CommandFailure(ExitCodes.Refused, $"{file}: {wrong.Message}");
            }
        }

        return set;
    }

    private static void ShowPlan(Terminal terminal, JsonNode answer)
    {
        foreach (var job in answer.List("jobs").Where(job => job.Text("change") != "unchanged"))
        {
            terminal.Line($"{job.Line("change")} {job.Line("name")}");
            ShowMembers(terminal, job);
            foreach (var warning in job.Texts("warnings"))
            {
                terminal.Line($"    warning: {warning}");
            }
        }

        ShowCounts(terminal, answer, "created", "changed", "deleted", "unchanged");
    }

    private static void ShowMembers(Terminal terminal, JsonNode? job)
    {
        foreach (var change in job.List("members"))
        {
            terminal.Line($"    {change.Line("member")}: {Shown(change?["was"])} -> {Shown(change?["is"])}");
        }
    }

    private static string Shown(JsonNode? value) => Display.Line(value?.ToJsonString(Answers.Compact) ?? "-");

    private static void ShowCounts(Terminal terminal, JsonNode answer, params IEnumerable<string> counts) => terminal.Line(
        (answer.Text("dryRun") == "true" ? "dry run, nothing was changed: " : "")
            + string.Join(", ", counts.Select(count => $"{answer.Text(count)} {count}")));

    private Command Export()
    {
        var format = CommandLine.Text("--format", "json, yaml or crontab", "json");
        format.AcceptOnlyFromAmong("json", "yaml", "crontab");
        var label = CommandLine.Text("--label", "KEY=VALUE: only jobs with this label", "", "-l");
        return line.Make("export", "Prints all jobs as JSON, YAML or a crontab", async asked =>
        {
            asked.Terminal.Write(
                await asked.Api.GetTextAsync(
                    ApiClient.Query(ApiClient.Path("export"), ("format", asked.Of(format)), ("label", asked.Of(label))), asked.Cancel),
                isRaw: false);
            return ExitCodes.Done;
        }, format, label);
    }

    private static string? Flag(bool isSet) => isSet ? "true" : null;
}
