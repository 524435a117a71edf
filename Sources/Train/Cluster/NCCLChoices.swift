import Foundation
import W2VBase
import W2VTorch

/// What NCCL has chosen on a machine, read from its own messages.
///
/// With several machines, a wrong network is the first thing that goes wrong: `NCCL_SOCKET_IFNAME` and `NCCL_IB_HCA`
/// choose another.
public struct NCCLChoices: Sendable, Equatable {
    /// NCCL's version.
    public var version: String?
    /// The network between machines: `IB`, `Socket`, or a plug-in's name.
    public var network: String?
    /// The adapters or interfaces of that network.
    public var adapters: [String]
    /// The interface over which processes meet, with its address.
    public var meetingPoint: String?

    /// Reads the messages that NCCL writes with `NCCL_DEBUG=INFO`.
    public init(log: String) {
        adapters = []
        var found: [String: [String]] = [:]
        for line in log.split(separator: "\n") {
            guard let start = line.range(of: "NCCL INFO ") else { continue }
            let text = line[start.upperBound...]
            func rest(_ prefix: String) -> Substring? {
                text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : nil
            }
            if let version = rest("NCCL version ") { self.version = String(version.prefix { !$0.isWhitespace }) }
            if let name = rest("Using network ") { network = String(name.prefix { !$0.isWhitespace }) }
            if let place = rest("Bootstrap: Using ") ?? rest("Bootstrap : Using ") {
                meetingPoint = String(place.drop { $0 == "[" || $0 == "0" || $0 == "]" }.prefix { $0 != "<" })
            }
            if let list = rest("NET/"), let using = list.range(of: " : Using ") {
                // [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:10.0.0.5<0>
                let names = list[using.upperBound...].prefix { $0 != ";" }.split(separator: " ").compactMap { part in
                    part.hasPrefix("[") ? part.split(separator: "]").dropFirst().first : nil
                }
                found[String(list[..<using.lowerBound])] = names.map { String($0.prefix { $0 != ":" }) }
            }
        }
        adapters = network.flatMap { found[$0] } ?? []
    }

    /// Starts NCCL with one process, and reads what it says.
    ///
    /// - Parameter device: The index of a GPU. NCCL must not have been used in this process.
    /// - Throws: `TorchError.communication` if NCCL cannot be started.
    public init(of device: Int) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "wav2vec2-nccl-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        setenv("NCCL_DEBUG", "INFO", 1)
        setenv("NCCL_DEBUG_FILE", file.path, 1)
        defer {
            unsetenv("NCCL_DEBUG")
            unsetenv("NCCL_DEBUG_FILE")
        }
        let store = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 20)
        let group = try ProcessGroup(nccl: store, name: "doctor", device: device, rank: 0, size: 1, timeout: 20)
        try group.barrier()
        try Device.cuda(device).synchronize()
        self.init(log: try String(contentsOf: file, encoding: .utf8))
    }

    /// The choices in words.
    public var text: String {
        var parts = [version ?? "unknown version"]
        if let network {
            parts.append("network \(network)" + (adapters.isEmpty ? "" : " over \(adapters.joined(separator: ", "))"))
        }
        if let meetingPoint { parts.append("processes meet over \(meetingPoint)") }
        return parts.joined(separator: "; ")
    }
}
