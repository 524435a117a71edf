import CW2VLibTorch
import Foundation

/// The processors of a machine, as Linux describes them, and which of them are close to which GPU.
///
/// On a machine with several sockets, a process whose threads and memory are on another socket than its GPU copies to it
/// at half the speed.
struct ProcessorPlaces: Equatable {
    /// The processors of each memory node, those that this process may use.
    var nodes: [[Int]]
    /// The memory node of each GPU, as CUDA numbers GPUs of one kind; `nil` if the machine does not say.
    var gpus: [Int?]

    /// Describes known nodes.
    init(nodes: [[Int]], gpus: [Int?]) { (self.nodes, self.gpus) = (nodes, gpus) }

    /// Reads the description of a machine.
    ///
    /// - Parameters:
    ///   - root: The root of the file system.
    ///   - allowed: The processors that this process may use.
    ///   - visible: The GPUs that CUDA shows, as in `CUDA_VISIBLE_DEVICES`; `nil` for all.
    init(
        root: URL = URL(filePath: "/"), allowed: Set<Int> = Self.allowed,
        visible: String? = ProcessInfo.processInfo.environment["CUDA_VISIBLE_DEVICES"]
    ) {
        func text(_ path: String) -> String? {
            (try? String(contentsOf: root.appending(path: path), encoding: .utf8))?
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        func entries(_ path: String) -> [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: path).path)) ?? []
        }
        let folder = "sys/devices/system/node"
        let numbers = entries(folder).compactMap { $0.hasPrefix("node") ? Int($0.dropFirst(4)) : nil }.sorted()
        // Nodes without usable processors are memory only, or another container's.
        let found = numbers.map { ($0, text("\(folder)/node\($0)/cpulist").map(Self.list) ?? []) }
            .map { ($0, $1.filter(allowed.contains)) }.filter { !$1.isEmpty }
        nodes = found.map(\.1)
        // The driver names GPUs by their addresses on the bus.
        let all = entries("proc/driver/nvidia/gpus").map { $0.lowercased() }.sorted().map { address in
            text("sys/bus/pci/devices/\(address)/numa_node").flatMap(Int.init).flatMap { number in
                found.firstIndex { $0.0 == number }
            }
        }
        guard let visible else {
            gpus = all
            return
        }
        // A GPU may also be named by an identifier, whose place is unknown here.
        gpus = visible.split(separator: ",").map { name in
            Int(name.trimmingCharacters(in: .whitespaces)).flatMap { all.indices.contains($0) ? all[$0] : nil }
        }
    }

    /// Returns the processors of one of several processes on this machine; `nil` if all may use all.
    ///
    /// A process gets processors of its GPU's node, shared evenly with the other processes there; without GPUs the
    /// processes are spread over the nodes.
    ///
    /// - Parameters:
    ///   - localRank: The process's number on this machine.
    ///   - processes: Number of processes on this machine.
    func processors(of localRank: Int, of processes: Int) -> [Int]? {
        guard nodes.count > 1 else { return nil }
        let places: [Int]
        if gpus.isEmpty {
            guard processes >= nodes.count else { return nil }
            places = (0..<processes).map { $0 * nodes.count / processes }
        } else {
            let known = (0..<processes).compactMap { $0 < gpus.count ? gpus[$0] : nil }
            guard known.count == processes else { return nil }
            places = known
        }
        let node = places[localRank]
        let sharing = places.indices.filter { places[$0] == node }
        guard let place = sharing.firstIndex(of: localRank), nodes[node].count >= sharing.count else { return nil }
        let count = nodes[node].count
        return Array(nodes[node][place * count / sharing.count..<(place + 1) * count / sharing.count])
    }

    /// Reads a list such as `0-3,8,10-11`; empty for anything else.
    static func list(_ text: String) -> [Int] {
        var numbers: [Int] = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 0, last >= first, last < 1 << 20
            else { return [] }
            numbers += first...last
        }
        return numbers
    }

    /// Writes a list as ``list(_:)`` reads it.
    static func text(_ numbers: [Int]) -> String {
        var (parts, rest): ([String], ArraySlice<Int>) = ([], numbers[...])
        while let first = rest.first {
            let count = rest.enumerated().prefix { $0.element == first + $0.offset }.count
            parts.append(count > 1 ? "\(first)-\(first + count - 1)" : "\(first)")
            rest = rest.dropFirst(count)
        }
        return parts.joined(separator: ",")
    }

    /// The number of processors that sets have room for, as in the C library's.
    private static let most = 8192

    /// The processors that the calling thread may use.
    static var allowed: Set<Int> {
        var bits = [UInt8](repeating: 0, count: most / 8)
        guard ct_processors(&bits, bits.count) == 0 else { return [] }
        return Set((0..<most).filter { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 })
    }

    /// Restricts the calling thread, and those that it starts, to some processors.
    ///
    /// - Returns: Whether the system did it.
    @discardableResult
    static func use(_ processors: [Int]) -> Bool {
        guard !processors.isEmpty, processors.allSatisfy((0..<most).contains) else { return false }
        var bits = [UInt8](repeating: 0, count: most / 8)
        for processor in processors { bits[processor / 8] |= 1 << UInt8(processor % 8) }
        return ct_use_processors(bits, bits.count) == 0
    }
}
