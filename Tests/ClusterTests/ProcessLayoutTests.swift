import TestSupport
import Testing

@testable import W2VCluster

@Suite(.onTestThreads) struct ProcessLayoutTests {
    @Test func aProcessOnItsOwnHasNoLayout() throws {
        #expect(try ProcessLayout.current(environment: [:]) == nil)
        #expect(try ProcessLayout.current(environment: ["RANK": "0", "WORLD_SIZE": "1"]) == nil)
        // A batch script itself does not run in a step: only processes that srun starts do.
        #expect(try ProcessLayout.current(environment: ["SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == nil)
    }

    @Test func readsTorchrun() throws {
        let layout = try ProcessLayout.current(environment: [
            "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "node0", "MASTER_PORT": "29501",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2",
        ])
        var expected = ProcessLayout(rank: 3, size: 4, localRank: 1, host: "node0", port: 29501)
        expected.launcherServes = true
        expected.attempt = 2
        #expect(layout == expected)
    }

    @Test func readsSlurm() throws {
        let layout = try ProcessLayout.current(environment: [
            "SLURM_PROCID": "9", "SLURM_STEP_NUM_TASKS": "16", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "100042",
            "SLURM_STEP_NODELIST": "gpu[003-004]",
        ])
        #expect(
            layout == ProcessLayout(rank: 9, size: 16, localRank: 1, host: "gpu003", port: 15_000 + 100_042 % 15_000))
    }

    @Test(
        arguments: [
            ("gpu[003-010,12],login1", "gpu003"), ("n1,n2", "n1"), ("single", "single"), ("a[7]", "a7"), ("", nil),
            ("x[", nil),
        ] as [(String, String?)])
    func findsTheFirstMachine(list: String, first: String?) {
        #expect(firstSlurmNode(list) == first)
    }

    @Test func readsOpenMPI() throws {
        let one = try ProcessLayout.current(environment: [
            "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        ])
        #expect(one == ProcessLayout(rank: 1, size: 2, localRank: 1, host: "127.0.0.1", port: 29_500))
        // On several machines the meeting point is unknown.
        #expect(throws: ClusterError.self) {
            try ProcessLayout.current(environment: [
                "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
            ])
        }
    }

    @Test(
        arguments: [
            (["RANK": "1"], .missingVariable("WORLD_SIZE")),
            (["RANK": "x", "WORLD_SIZE": "2"], .badVariable("RANK", value: "x", expected: "a number from 0")),
            (["RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"], .missingVariable("MASTER_ADDR")),
            (
                ["RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"],
                .badRank(2, size: 2)
            ),
        ] as [([String: String], ClusterError)])
    func saysWhichVariableIsWrong(environment: [String: String], error: ClusterError) {
        #expect(throws: error) { try ProcessLayout.current(environment: environment) }
    }
}
