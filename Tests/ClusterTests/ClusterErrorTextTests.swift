import Foundation
import TestSupport
import Testing
import W2VCluster

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct ClusterErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                ClusterError.badRank(3, size: 2),
                ClusterError.missingVariable("LOCAL_RANK"),
                ClusterError.badVariable("RANK", value: "x", expected: "a number from 0"),
                ClusterError.portInUse(29_500, by: .rank(1, of: 2)),
                ClusterError.portInUse(29_500, by: .machine(0)),
                ClusterError.cannotServe(host: "node0", port: 29_500, reason: "no such host"),
                ClusterError.noRendezvous(.rank(1, of: 2), host: "node0", port: 29_500, seconds: 9),
                ClusterError.noRendezvous(.machine(1), host: "node0", port: 29_500, seconds: 9),
                ClusterError.lostRendezvous(.rank(1, of: 2), host: "node0", port: 29_500, reason: "closed"),
                ClusterError.lostRendezvous(.machine(1), host: "node0", port: 29_500, reason: "closed"),
                ClusterError.missing(
                    .rank(1, of: 2), waitingFor: .ranks([2, 3]), host: "node0", port: 29_500, seconds: 9),
                ClusterError.missing(.machine(1), waitingFor: .machine(0), host: "node0", port: 29_500, seconds: 9),
                ClusterError.noConnection(
                    .rank(1, of: 2), host: "node0", port: 29_500, source: "eth0", reason: "refused"),
                ClusterError.noNCCL(.rank(1, of: 2), device: "cuda:0", reason: "no NCCL"),
                ClusterError.sameMachine(1, host: "node0", port: 29_500),
                ClusterError.otherLaunch(machine: 1, other: "2 machines", ownMachine: 0, own: "3 machines"),
                ClusterError.otherWork(
                    rank: 1, process: "b, process 2", leader: "a, process 1", differences: ["seed: 1, 2"]),
                ClusterError.unwritableLog("rank-1.log"),
                ClusterError.lostLeader(.rank(1, of: 2), host: "node0"),
                ClusterError.silent(.rank(1, of: 2), names: "rank 0"),
                ClusterError.stuck(.rank(1, of: 2), names: "rank 0 (in update 8)"),
                ClusterError.noExchange(.rank(1, of: 2), reason: "reset"),
                ClusterError.elsewhere(.rank(1, of: 2), failed: 0, sentence: "the disk is full", kind: .failure),
            ],
            declaredIn: ["Train/Cluster/ClusterError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
