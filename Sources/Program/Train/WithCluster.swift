import Foundation
import W2VCluster
import W2VTorch

/// Runs a command that only uses a model together with the processes that a launcher has started beside this one.
///
/// All processes must have been given the same arguments.
///
/// - Parameters:
///   - isolation: The caller's actor.
///   - body: The command's work; receives the processes, or `nil` for a single process.
/// - Throws: An error of `body`, or the first cause in another process.
func withCluster<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Cluster?) async throws -> Result
) async throws -> Result {
    guard let layout = try ProcessLayout.current(environment: ProcessInfo.processInfo.environment) else {
        return try await body(nil)
    }
    let handshake = [
        "program version": Program.version, "command": CommandLine.arguments.dropFirst().joined(separator: " "),
    ]
    let cluster = try Cluster.join(layout, handshake: handshake, logger: Console.logger("cluster"))
    defer { cluster.leave() }
    return try await cluster.reportingFailure { try await body(cluster) }
}

extension ComputeOptions {
    /// Returns the device of this process's model: each process of a machine has its own GPU.
    func device(among cluster: Cluster?) -> Device {
        guard let cluster, case .cuda = device else { return device }
        return .cuda(cluster.layout.localRank)
    }
}
