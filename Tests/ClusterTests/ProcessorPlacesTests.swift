import Foundation
import TestSupport
import Testing

@testable import W2VCluster

@Suite(.onTestThreads) struct ProcessorPlacesTests {
    @Test func listsAreReadAndWritten() {
        for (text, numbers) in [
            ("0-3,8,10-11", [0, 1, 2, 3, 8, 10, 11]), ("5", [5]), ("0-1", [0, 1]), ("", []),
        ] {
            #expect(ProcessorPlaces.list(text) == numbers)
            #expect(ProcessorPlaces.text(numbers) == text)
        }
        for damaged in ["a", "3-1", "-1", "1-2-3", "1,,x", "0-99999999999"] {
            #expect(ProcessorPlaces.list(damaged).isEmpty, "\(damaged)")
        }
    }

    /// Two sockets with hyperthreads and four GPUs, the first of which is far from the first socket.
    private let machine = ProcessorPlaces(
        nodes: [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]], gpus: [1, 1, 0, 0])

    @Test func aProcessIsNearItsGPU() {
        let expected = [[4, 5, 6, 7], [12, 13, 14, 15], [0, 1, 2, 3], [8, 9, 10, 11]]
        #expect((0..<4).map { machine.processors(of: $0, of: 4) } == expected)
        #expect(machine.processors(of: 0, of: 1) == machine.nodes[1])
        #expect((0..<3).map { machine.processors(of: $0, of: 3)?.count } == [4, 4, 8])
    }

    @Test func withoutGPUsProcessesAreSpread() {
        let host = ProcessorPlaces(nodes: machine.nodes, gpus: [])
        #expect((0..<2).map { host.processors(of: $0, of: 2) } == machine.nodes)
        #expect((0..<3).map { host.processors(of: $0, of: 3)?.count } == [4, 4, 8])
        // One process may use both sockets.
        #expect(host.processors(of: 0, of: 1) == nil)
    }

    @Test func whereNothingIsGainedAllMayUseAll() {
        #expect(ProcessorPlaces(nodes: [Array(0..<8)], gpus: [0, 0]).processors(of: 0, of: 2) == nil)
        #expect(ProcessorPlaces(nodes: [], gpus: []).processors(of: 0, of: 2) == nil)
        // More processes than GPUs, a GPU of unknown place, more processes than processors.
        #expect(machine.processors(of: 0, of: 5) == nil)
        #expect(ProcessorPlaces(nodes: machine.nodes, gpus: [0, nil]).processors(of: 0, of: 2) == nil)
        #expect(ProcessorPlaces(nodes: [[0], [1]], gpus: [0, 0]).processors(of: 0, of: 2) == nil)
    }

    @Test func theMachineDescribesItself() throws {
        try withTemporaryFolder { root in
            func write(_ path: String, _ text: String) throws {
                let file = root.appending(path: path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data((text + "\n").utf8).write(to: file)
            }
            try write("sys/devices/system/node/node0/cpulist", "0-3,8-11")
            try write("sys/devices/system/node/node1/cpulist", "4-7,12-15")
            // Memory without processors.
            try write("sys/devices/system/node/node2/cpulist", "")
            for (address, node) in [("0000:3b:00.0", "1"), ("0000:AF:00.0", "0"), ("0000:d8:00.0", "-1")] {
                try write("proc/driver/nvidia/gpus/\(address)/information", "Model: H200")
                try write("sys/bus/pci/devices/\(address.lowercased())/numa_node", node)
            }
            func places(_ allowed: Set<Int> = Set(0..<16), visible: String? = nil) -> ProcessorPlaces {
                ProcessorPlaces(root: root, allowed: allowed, visible: visible)
            }
            #expect(places() == ProcessorPlaces(nodes: machine.nodes, gpus: [1, 0, nil]))
            #expect(places(visible: "1, 0").gpus == [0, 1] && places(visible: "GPU-1234").gpus == [nil])
            #expect(places(visible: "").gpus.isEmpty)
            // A container with a part of the processors.
            #expect(places([0, 1]).nodes == [[0, 1]])
            let nothing = ProcessorPlaces(root: root.appending(path: "nothing"), allowed: [0], visible: nil)
            #expect(nothing == ProcessorPlaces(nodes: [], gpus: []))
        }
    }

    @Test func aThreadIsRestrictedAndFreed() throws {
        let before = ProcessorPlaces.allowed
        let one = try #require(before.min())
        defer { ProcessorPlaces.use(before.sorted()) }
        #expect(ProcessorPlaces.use([one]) && ProcessorPlaces.allowed == [one])
        #expect(!ProcessorPlaces.use([]) && !ProcessorPlaces.use([-1]))
        #expect(ProcessorPlaces.use(before.sorted()) && ProcessorPlaces.allowed == before)
    }
}
