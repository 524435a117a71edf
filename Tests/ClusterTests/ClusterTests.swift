import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VCluster
@testable import W2VTorch

/// Runs `body` as several processes would, each on its own thread; returns each one's result or error, by rank.
///
/// `ended` is called with the rank of each one that has ended.
func asRanks<Result: Sendable>(
    _ size: Int, handshake: @escaping @Sendable (Int) -> [String: String] = { _ in [:] }, timeout: Double = 20,
    ended: @escaping @Sendable (Int) -> Void = { _ in }, _ body: @escaping @Sendable (Cluster) throws -> Result
) async throws -> [Swift.Result<Result, any Error>] {
    // Rank 0 serves on a port that was free a moment ago.
    let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
    return await withTaskGroup(of: (Int, Swift.Result<Result, any Error>).self) { tasks in
        for rank in 0..<size {
            tasks.addTask {
                await withCheckedContinuation { continuation in
                    let thread = Thread {
                        let layout = ProcessLayout(
                            rank: rank, size: size, localRank: rank, host: "127.0.0.1", port: port)
                        var options = Cluster.Options()
                        (options.joinTimeout, options.timeout) = (timeout, timeout)
                        let result = Swift.Result<Result, any Error> {
                            let cluster = try Cluster.join(layout, handshake: handshake(rank), options: options)
                            defer { cluster.leave() }
                            return try cluster.reportingFailure { try body(cluster) }
                        }
                        ended(rank)
                        continuation.resume(returning: (rank, result))
                    }
                    thread.start()
                }
            }
        }
        var results: [Int: Swift.Result<Result, any Error>] = [:]
        for await (rank, result) in tasks { results[rank] = result }
        return (0..<size).compactMap { results[$0] }
    }
}

@Suite(.onTestThreads, .serialized) struct ClusterTests {
    @Test(arguments: [2, 4]) func sumsAreTheSameEverywhere(size: Int) async throws {
        let results = try await asRanks(size) { cluster in
            try cluster.sum([0.1 * Double(cluster.rank + 1), 1])
        }
        let first = try results[0].get()
        #expect(abs(first[0] - 0.1 * Double(size * (size + 1) / 2)) < 1e-12)
        #expect(first[1] == Double(size))
        for result in results { #expect(try result.get() == first) }
    }

    @Test func collectivesMoveTensors() async throws {
        let results = try await asRanks(2) { cluster -> [[Float]] in
            let rank = Float(cluster.rank)
            let sent = try Tensor([rank, rank + 10])
            try cluster.group.broadcast(sent, from: 1).wait()
            let all = try Tensor.zeros([4])
            try cluster.group.allGather(Tensor([rank, rank]), into: all).wait()
            let own = try Tensor.zeros([1])
            try cluster.group.reduceScatter(Tensor([rank, rank + 1]), into: own).wait()
            let largest = try Tensor([rank])
            try cluster.group.allReduce(largest, .max).wait()
            try cluster.group.barrier()
            return try [sent, all, own, largest].map { try $0.elements(Float.self) }
        }
        for (rank, result) in results.enumerated() {
            #expect(try result.get() == [[1, 11], [0, 0, 1, 1], [rank == 0 ? 1 : 3], [1]])
        }
    }

    @Test(arguments: [2, 3]) func aSumComesToOneProcess(size: Int) async throws {
        let results = try await asRanks(size) { cluster -> [Float] in
            let tensor = try Tensor([Float(cluster.rank), 5])
            try cluster.group.reduce(tensor, to: 1).wait()
            return try tensor.elements(Float.self)
        }
        #expect(try results[1].get() == [Float(size * (size - 1) / 2), Float(5 * size)])
    }

    @Test func partsOfATensorAreGatheredInPlace() async throws {
        let results = try await asRanks(3) { cluster -> [[Float]] in
            let own = 2 * cluster.rank..<2 * cluster.rank + 2
            return try [true, false].map { atOnce in
                let all = try Tensor.zeros([6])
                try all.rows(own).copy(from: Tensor([Float(cluster.rank), 10]))
                // With NCCL's behavior, and with Gloo's.
                let running =
                    try atOnce
                    ? [cluster.group.allGather(all.rows(own), into: all)] : cluster.group.allGatherInPlace(all)
                for collective in running { try collective.wait() }
                return try all.elements(Float.self)
            }
        }
        for result in results {
            for all in try result.get() { #expect(all == [0, 10, 1, 10, 2, 10]) }
        }
    }

    /// c10d keeps one record of all groups of a process; their first collectives, from many threads at once, must not break it.
    @Test func groupsOfOneProcessStartCollectivesAtOnce() throws {
        let store = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 20)
        let groups = try (0..<200).map {
            try ProcessGroup(
                gloo: store, name: "group\($0)", interface: nil, address: "127.0.0.1", rank: 0, size: 1, timeout: 20)
        }
        let tensors = try groups.indices.map { try Tensor([Float($0)]) }
        let sums = Mutex<[Float]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            let own = stride(from: thread, to: groups.count, by: 4)
            let started = own.compactMap { try? groups[$0].allReduce(tensors[$0]) }
            for sum in started where (try? sum.wait()) != nil {}
            sums.withLock { sums in for number in own { sums += (try? tensors[number].elements(Float.self)) ?? [] } }
        }
        #expect(sums.withLock { $0.sorted() } == (0..<groups.count).map(Float.init))
    }

    /// Where only a GPU waits, a process that does not join is noticed by the time that a collective takes.
    @Test func collectivesThatNobodyWaitsForAreObserved() throws {
        let store = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 20)
        // Each waits for the other through a connection of its own.
        let stores = [store, try TCPStore(host: "127.0.0.1", port: store.port, serves: false, timeout: 20)]
        let groups = Mutex<[Int: ProcessGroup]>([:])
        DispatchQueue.concurrentPerform(iterations: 2) { rank in
            let made = try? ProcessGroup(
                gloo: stores[rank], name: "observed", interface: nil, address: "127.0.0.1", rank: rank, size: 2,
                timeout: 20,
                waitsOnDevice: true)
            groups.withLock { $0[rank] = made }
        }
        let (one, other) = try groups.withLock { (try #require($0[0]), try #require($0[1])) }
        let tensors = try [Tensor([Float(1)]), Tensor([Float(2)])]
        #expect(one.longestUnfinished == nil)
        let sum = try one.allReduce(tensors[0])
        Thread.sleep(forTimeInterval: 0.02)
        #expect(try #require(one.longestUnfinished) >= .milliseconds(20))
        #expect(other.longestUnfinished == nil)
        try other.allReduce(tensors[1]).wait()
        try sum.wait()
        #expect(one.longestUnfinished == nil && other.longestUnfinished == nil)
        #expect(try tensors.map { try $0.elements(Float.self) } == [[3], [3]])
    }

    /// The failure watch ends a process whose collective has not ended in time.
    @Test func lateCollectivesAreNoticed() {
        #expect(FailureWatch.lateCollective([(nil, 10), (.seconds(9), 10)]) == nil)
        let late = FailureWatch.lateCollective([(.seconds(9), 10), (.seconds(31), 30)])
        #expect(late == "a collective has not ended after 31 seconds")
    }

    @Test func everyProcessLearnsTheValuesOfAll() async throws {
        let results = try await asRanks(3) { cluster in
            let texts = try cluster.exchange(String(repeating: "é", count: 2 * cluster.rank))
            return (texts, try cluster.exchange([Double(cluster.rank), -1]))
        }
        for result in results {
            let (texts, numbers) = try result.get()
            #expect(texts == ["", "éé", "éééé"])
            #expect(numbers == [[0, -1], [1, -1], [2, -1]])
        }
    }

    @Test func differentPlansAreRefusedWithTheDifference() async throws {
        let results = try await asRanks(2, handshake: { ["recipe optimization.lr": $0 == 0 ? "0.1" : "0.2"] }) { _ in }
        #expect {
            try results[1].get()
        } throws: {
            guard case ClusterError.otherWork(1, _, _, let differences) = $0 else { return false }
            return differences == ["recipe optimization.lr: 0.1 on rank 0, 0.2 on rank 1"]
        }
        #expect { try results[0].get() } throws: {
            if case ClusterError.elsewhere(_, failed: 1, _, kind: .usage) = $0 { true } else { false }
        }
    }

    struct Broken: Error, CustomStringConvertible { let description = "the audio of sea.flac is damaged" }

    @Test func theFirstCauseEndsEveryProcess() async throws {
        let results = try await asRanks(3) { cluster in
            if cluster.rank == 1 { throw Broken() }
            _ = try cluster.sum([1])
        }
        #expect(throws: Broken.self) { try results[1].get() }
        for rank in [0, 2] {
            #expect(
                throws: ClusterError.elsewhere(
                    .ranks([rank]), failed: 1, sentence: "the audio of sea.flac is damaged", kind: .failure)
            ) { try results[rank].get() }
        }
    }

    @Test func aSilentProcessIsNamed() async throws {
        let hasEnded = DispatchSemaphore(value: 0)
        let results = try await asRanks(2, timeout: 3, ended: { if $0 == 0 { hasEnded.signal() } }) { cluster in
            guard cluster.rank == 0 else {
                cluster.noteProgress(update: 7)
                Thread.sleep(forTimeInterval: 1.5)
                // Like a stopped process: no more signs of life, and no collective.
                cluster.leave()
                _ = hasEnded.wait(timeout: .now() + 60)
                return
            }
            _ = try cluster.sum([1])
        }
        #expect(throws: ClusterError.silent(.rank(0, of: 2), names: "rank 1 (last seen at update 7)")) {
            try results[0].get()
        }
    }

    @Test func aProcessThatHangsIsNamed() async throws {
        let hasEnded = DispatchSemaphore(value: 0)
        let results = try await asRanks(3, timeout: 2, ended: { if $0 != 1 { hasEnded.signal() } }) { cluster in
            cluster.noteProgress(update: 7)
            _ = try cluster.sum([1])
            cluster.noteProgress(update: 8)
            // It stays alive, like a process that waits for a disk or a device, until the others have given it up.
            if cluster.rank == 1 {
                for _ in 0..<2 { _ = hasEnded.wait(timeout: .now() + 60) }
            }
            _ = try cluster.sum([1])
        }
        for rank in [0, 2] {
            // The other one may have reported it first.
            #expect { try results[rank].get() } throws: {
                switch $0 {
                case ClusterError.stuck(_, let names): names == "rank 1 (in update 8)"
                case ClusterError.elsewhere(_, _, let sentence, _): sentence.contains("rank 1 (in update 8)")
                default: false
                }
            }
        }
    }

    // MARK: - Gradients

    /// A chain of numbers: each layer is one parameter of 32 elements, the last layer's gradient comes first.
    private final class Chain: Module {
        @Parameter("0") var first: Tensor
        @Parameter("1") var second: Tensor
        @Parameter("2") var third: Tensor

        override init() {}

        static func make() throws -> Chain {
            let chain = Chain()
            chain.first = try Tensor.ones([32])
            chain.second = try Tensor.ones([32])
            chain.third = try Tensor.ones([32])
            return chain
        }

        func callAsFunction(_ factor: Double, skippingSecond: Bool = false) throws -> Tensor {
            var hidden = try first * factor
            if !skippingSecond { hidden = try hidden + second * factor }
            return try (hidden + third * factor).sum()
        }
    }

    @Test func bucketsOfDroppedLayersAreNotSent() async throws {
        let results = try await asRanks(2) { cluster -> [GradientReducer.Report] in
            let chain = try Chain.make()
            let flat = try FlatParameters(chain.parameters())
            let reducer = try GradientReducer(flat, over: cluster.group, bucketBytes: 1)
            func pass(_ unused: Set<String>) throws -> GradientReducer.Report {
                try flat.clearGradients()
                reducer.begin(unused: unused)
                try chain(Double(cluster.rank + 1), skippingSecond: !unused.isEmpty).backward()
                let report = try reducer.finish()
                let sums = try flat.gradients.elements(Float.self)
                #expect(sums[..<32].allSatisfy { $0 == 3 } && sums[64...].allSatisfy { $0 == 3 })
                #expect(sums[32..<64].allSatisfy { $0 == (unused.isEmpty ? 3 : 0) })
                return report
            }
            // The first pass agrees on the order, also where layers are dropped in it.
            let reports = [try pass(["1"]), try pass([]), try pass(["1"])]
            #expect(throws: TorchError.self) {
                reducer.begin(unused: ["1"])
                try chain(1).backward()
            }
            return reports
        }
        for result in results {
            let reports = try result.get()
            #expect(reports.map(\.buckets) == [2, 3, 2] && reports.map(\.overlapped) == [0, 3, 2])
            #expect(reports.map(\.bytes) == [256, 384, 256])
        }
    }

    @Test func gradientsOfAShardGoToItsProcessAlone() async throws {
        let results = try await asRanks(2) { cluster -> ([Float], Double, [Float], [GradientReducer.Report]) in
            let chain = try Chain.make()
            let flat = try FlatParameters(chain.parameters(), shardedOver: cluster.group)
            let reducer = try GradientReducer(flat, over: cluster.group, bucketBytes: 1)
            var reports: [GradientReducer.Report] = []
            for unused in [[], ["1"]] as [Set<String>] {
                try flat.clearGradients()
                reducer.begin(unused: unused)
                try chain(Double(cluster.rank + 1), skippingSecond: !unused.isEmpty).backward()
                reports.append(try reducer.finish())
            }
            let own = try flat.gradients.rows(flat.own).elements(Float.self)
            let norm = try gradientNorm([flat])
            try flat.gatherGradients()
            return (own, norm, try flat.gradients.elements(Float.self), reports)
        }
        let all = [Float](repeating: 3, count: 32) + [Float](repeating: 0, count: 32) + [Float](repeating: 3, count: 32)
        for (rank, result) in results.enumerated() {
            let (own, norm, gathered, reports) = try result.get()
            #expect(own == Array(all[rank * 48..<(rank + 1) * 48]) && gathered == all)
            #expect(abs(norm - 24) < 1e-5)
            // The second parameter lies in both shards, with a bucket in each.
            #expect(reports.map(\.buckets) == [4, 2] && reports.map(\.bytes) == [384, 256])
            #expect(reports.map(\.overlapped) == [0, 2])
        }
    }

    /// The two sides of the benchmark's comparison do the same work.
    @Test func theLibrarysReducerGivesTheMeans() async throws {
        let results = try await asRanks(2) { cluster -> [[Float]] in
            let chain = try Chain.make()
            let flat = try FlatParameters(chain.parameters())
            let ours = try GradientReducer(flat, over: cluster.group, bucketBytes: 1)
            let theirs = try C10dReducer(flat, over: cluster.group, bucketBytes: 1)
            return try [(true, false), (false, false), (true, true), (false, false)].flatMap { isOurs, skipping in
                try flat.clearGradients()
                let loss = try chain(Double(cluster.rank + 1), skippingSecond: skipping)
                if isOurs { ours.begin(unused: skipping ? ["1"] : []) } else { try theirs.prepare(loss) }
                try loss.backward()
                if isOurs { try ours.finish() }
                return [try flat.gradients.elements(Float.self)]
            }
        }
        let (sums, means) = ([Float](repeating: 3, count: 96), [Float](repeating: 1.5, count: 96))
        let skipped = (0..<96).map { (32..<64).contains($0) ? Float(0) : 3 }
        for result in results { #expect(try result.get() == [sums, means, skipped, means]) }
    }

    @Test(arguments: [DType.float16, .bfloat16])
    func gradientsAreSentInHalfPrecision(type: DType) async throws {
        let results = try await asRanks(4) { cluster -> (GradientReducer.Report, [Float]) in
            let chain = try Chain.make()
            let flat = try FlatParameters(chain.parameters())
            let reducer = try GradientReducer(flat, over: cluster.group, sentAs: type)
            reducer.begin()
            // The value of one process nearly overflows FP16; the sum would.
            try chain(cluster.rank == 0 ? 60_000 : 4_096.5).backward()
            return (try reducer.finish(), try flat.gradients.elements(Float.self))
        }
        let exact: Float = 60_000 + 3 * 4_096.5
        for result in results {
            let (report, sums) = try result.get()
            #expect(report.bytes == 96 * 2)
            #expect(sums.allSatisfy { $0 != exact && abs($0 - exact) < 0.01 * exact })
        }
    }

    @Test func aGroupOfGPUsThatCannotBeMadeIsToldInOneSentence() async throws {
        let results = try await asRanks(1) { cluster in _ = try cluster.group(on: .cuda(99)) }
        #expect { try results[0].get() } throws: {
            guard case ClusterError.noNCCL(_, device: "cuda:99", let reason) = $0 else { return false }
            return !reason.contains("\n")
        }
    }

    @Test func nobodyAtTheRendezvous() throws {
        let layout = ProcessLayout(rank: 1, size: 2, localRank: 1, host: "127.0.0.1", port: 1)
        var options = Cluster.Options()
        options.joinTimeout = 1
        #expect(throws: ClusterError.noRendezvous(.rank(1, of: 2), host: "127.0.0.1", port: 1, seconds: 1)) {
            try Cluster.join(layout, handshake: [:], options: options)
        }
    }

    @Test func aPortInUseIsNamed() throws {
        let taken = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5)
        let layout = ProcessLayout(rank: 0, size: 2, localRank: 0, host: "127.0.0.1", port: taken.port)
        #expect(throws: ClusterError.portInUse(taken.port, by: .rank(0, of: 2))) {
            try Cluster.join(layout, handshake: [:])
        }
        withExtendedLifetime(taken) {}
    }

    /// A port that accepts connections and sends nothing, such as another program's.
    @Test func aRendezvousThatSaysNothingIsLeftInTime() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        try #require(isListening)
        let port = Int(UInt16(bigEndian: address.sin_port))
        var plan = LaunchPlan(executable: URL(fileURLWithPath: "/bin/true"), arguments: [], processes: 1)
        (plan.nodes, plan.nodeRank, plan.port, plan.joinTimeout) = (2, 1, port, 1)
        #expect(throws: ClusterError.noRendezvous(.machine(1), host: "127.0.0.1", port: port, seconds: 1)) {
            try Launcher(plan)
        }
        let layout = ProcessLayout(rank: 1, size: 2, localRank: 1, host: "127.0.0.1", port: port)
        var options = Cluster.Options()
        options.joinTimeout = 1
        #expect(throws: ClusterError.noRendezvous(.rank(1, of: 2), host: "127.0.0.1", port: port, seconds: 1)) {
            try Cluster.join(layout, handshake: [:], options: options)
        }
    }

    @Test func aProcessThatNeverComesIsNamed() throws {
        let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
        let layout = ProcessLayout(rank: 0, size: 3, localRank: 0, host: "127.0.0.1", port: port)
        var options = Cluster.Options()
        options.joinTimeout = 1
        #expect(
            throws: ClusterError.missing(
                .rank(0, of: 3), waitingFor: .ranks([1, 2]), host: "127.0.0.1", port: port, seconds: 1)
        ) { try Cluster.join(layout, handshake: [:], options: options) }
    }
}
