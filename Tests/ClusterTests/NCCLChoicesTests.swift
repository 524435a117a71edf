import TestSupport
import Testing
import W2VCluster

@Suite(.onTestThreads) struct NCCLChoicesTests {
    @Test func adaptersOfTheChosenNetworkAreFound() {
        let choices = NCCLChoices(
            log: """
                node7:1234:1234 [0] NCCL INFO Bootstrap: Using eth0:10.0.0.5<0>
                node7:1234:1234 [0] NCCL INFO NCCL version 2.28.9+cuda13.0
                node7:1234:1260 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:10.0.0.5<0>
                node7:1234:1260 [0] NCCL INFO Using network IB
                node7:1234:1260 [0] NCCL INFO Channel 00/32 : 0
                """)
        #expect(choices.version == "2.28.9+cuda13.0" && choices.network == "IB")
        #expect(choices.adapters == ["mlx5_0", "mlx5_1"] && choices.meetingPoint == "eth0:10.0.0.5")
        #expect(
            choices.text == "2.28.9+cuda13.0; network IB over mlx5_0, mlx5_1; processes meet over eth0:10.0.0.5")
    }

    @Test func withoutAdaptersThereAreSockets() {
        let choices = NCCLChoices(
            log: """
                host:1:1 [0] NCCL INFO NET/IB : No device found.
                host:1:1 [0] NCCL INFO NET/Socket : Using [0]eth0:10.0.0.5<0> [1]eth1:10.1.0.5<0>
                host:1:1 [0] NCCL INFO Using network Socket
                """)
        #expect(choices.version == nil && choices.meetingPoint == nil)
        #expect(choices.network == "Socket" && choices.adapters == ["eth0", "eth1"])
        #expect(choices.text == "unknown version; network Socket over eth0, eth1")
    }

    @Test func otherMessagesAreIgnored() {
        for log in ["", "NCCL INFO ", "nothing\nNCCL WARN Using network X", "h NCCL INFO NET/ : Using"] {
            #expect(NCCLChoices(log: log).network == nil && NCCLChoices(log: log).text == "unknown version")
        }
    }
}
