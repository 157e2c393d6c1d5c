using Dts.Tests.Integration.Master;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>The native master sends what the managed one does: JSON, signatures, mail.</summary>
public sealed class NativeAlertTests
{
    [Fact]
    public async Task The_native_master_sends_to_a_webhook_a_chat_and_by_mail()
    {
        await using var alerts = new AlertTests { Executable = Path.Combine(NativeProcess.Folder, "dts-master") };
        await alerts.InitializeAsync();

        await alerts.A_job_names_its_own_alert_and_a_mail_is_sent();
        await alerts.A_channel_can_be_tested_and_the_answer_never_shows_its_secrets();
    }

    [Fact]
    public async Task The_native_master_tells_turns_once()
    {
        await using var alerts = new AlertTests { Executable = Path.Combine(NativeProcess.Folder, "dts-master") };
        await alerts.InitializeAsync();

        await alerts.A_job_that_keeps_failing_makes_one_message_and_its_recovery_another();
    }
}
