import Foundation
import TestSupport
import W2VAudio

/// A folder with tones to learn from, and a recipe whose updates are very fast.
final class LaunchFixture: Sendable {
    private let temporary: TemporaryFolder
    var folder: URL { temporary.url }

    init() throws {
        temporary = try TemporaryFolder()
        for (name, range) in [("train", 0..<12), ("valid", 12..<15)] {
            var manifest = folder.path + "\n"
            for index in range {
                let count = 16_000 + index % 4 * 1_600
                let samples = tone(50 * Double(index + 1), count: count, amplitude: 0.3)
                try AudioFile.write(samples, to: file("\(name)\(index).wav"))
                manifest += "\(name)\(index).wav\t\(count)\n"
            }
            try Data(manifest.utf8).write(to: file("\(name).tsv"))
        }
        let recipe = """
            model: {\(SmallModels.recipe.map { "\($0.key): \($0.value)" }.joined(separator: ", ")), encoder_layerdrop: 0.2}
            objective: {num_negatives: 10}
            masking: {mask_prob: 0.4, mask_length: 4}
            batching: {max_tokens: 24000, required_batch_size_multiple: 1, num_concat_batches: 1}
            optimization: {update_freq: 1, max_update: 5, warmup_updates: 2, lr: 0.001, adam_eps: 0.01}
            logging: {log_every: 2, utilisation: false, tensorboard: false}
            validation: {every: 50}
            checkpoint: {save_every: 1}
            distributed: {timeout: 60, join_timeout: 60}
            """
        try Data(recipe.utf8).write(to: file("recipe.yaml"))
    }

    func file(_ name: String) -> URL { temporary.file(name) }

    /// The arguments of a pre-training into a folder.
    func pretrain(_ output: String, _ settings: String...) -> [String] {
        [
            "pretrain", "--recipe", file("recipe.yaml").path, "--train", file("train.tsv").path,
            "--valid", file("valid.tsv").path, "--output", file(output).path,
        ] + settings.flatMap { ["--set", $0] }
    }

    /// Runs the program with one thread per process: the computation is tiny, and test machines are busy.
    func start(
        _ arguments: [String], environment: [String: String] = [:], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Outcome {
        var failure: (any Error)?
        let outcome = try run(
            arguments, environment: environment.merging(["OMP_NUM_THREADS": "1"]) { $1 },
            meanwhile: { process in
                do {
                    try meanwhile(process)
                } catch {
                    failure = error
                    process.terminate()
                }
            })
        if let failure { throw failure }
        return outcome
    }

    func weights(_ output: String) throws -> Data { try saved(output, "model.safetensors") }

    /// The bytes of a file of a run's last checkpoint.
    func saved(_ output: String, _ name: String) throws -> Data {
        try Data(contentsOf: file(output + "/last/" + name))
    }

    /// The update that a run has saved last.
    func savedUpdate(_ output: String) -> Int {
        guard let data = try? Data(contentsOf: file(output + "/last/training_state.json")),
            let state = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return 0 }
        return state["update"] as? Int ?? 0
    }

    /// Whether a run has made its first updates.
    func hasLogged(_ output: String) -> Bool {
        (try? Data(contentsOf: file(output + "/metrics.jsonl")))?.isEmpty == false
    }

    /// The processes that a launcher has started, by rank.
    func ranks(of launcher: Process) -> [Int: Int32] {
        var ranks: [Int: Int32] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let id = Int32(name), let data = FileManager.default.contents(atPath: "/proc/\(name)/environ") else {
                continue
            }
            let variables = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard variables.contains("WAV2VEC2_LAUNCHER=\(launcher.processIdentifier)") else { continue }
            if let rank = variables.lazy.compactMap({ $0.hasPrefix("RANK=") ? Int($0.dropFirst(5)) : nil }).first {
                ranks[rank] = id
            }
        }
        return ranks
    }

    /// Sends a signal to a rank as soon as a run has saved this many updates.
    func signal(
        _ signal: Int32, rank: Int, of launcher: Process, after update: Int, _ output: String
    ) throws {
        try wait(for: "update \(update) of \(output)") { savedUpdate(output) >= update || !launcher.isRunning }
        guard let process = ranks(of: launcher)[rank] else { throw Late("rank \(rank) is not there") }
        kill(process, signal)
    }
}

/// A port of this machine that was free a moment ago.
func freePort() -> Int {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            guard bind(socket, generic, length) == 0, getsockname(socket, generic, &length) == 0 else { return 0 }
            return generic.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                Int(UInt16(bigEndian: $0.pointee.sin_port))
            }
        }
    }
}
