using Dts.Tests.Integration.Master;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>The native master describes its API as the managed one does, and answers each example.</summary>
public sealed class NativeApiTests
{
    [Fact]
    public async Task The_native_master_lists_its_routes_and_answers_each_example_of_its_description()
    {
        await using var master = new MasterProcess { Executable = Path.Combine(NativeProcess.Folder, "dts-master") };
        await master.InitializeAsync();
        var description = new OpenApiTests(master);

        await description.It_is_served_at_two_paths_and_lists_exactly_the_routes_that_are_mapped();
        await description.Each_operation_has_a_summary_an_answer_its_errors_and_a_description_of_each_parameter();
        await description.Each_example_is_answered_as_it_says();
    }

    [Fact]
    public async Task The_native_master_knows_people_roles_and_keeps_the_audit_trail()
    {
        await using var access = new AccessMaster
        {
            Master = new MasterProcess { Executable = Path.Combine(NativeProcess.Folder, "dts-master") },
        };
        await access.InitializeAsync();

        await new SignInTests(access).A_person_signs_in_is_known_by_the_cookie_and_signs_out();
        await new RoleTests(access).No_path_shows_a_jobs_variables_to_viewers();
        await new AuditTests(access).A_change_is_recorded_with_its_caller_and_the_job_before_and_after();
    }

    [Fact]
    public async Task The_native_master_answers_the_curl_examples_of_the_API_page()
    {
        await using var master = new MasterProcess { Executable = Path.Combine(NativeProcess.Folder, "dts-master") };
        await master.InitializeAsync();

        await new CurlExamplesTests(master).Each_example_is_answered_as_the_page_shows();
    }
}
