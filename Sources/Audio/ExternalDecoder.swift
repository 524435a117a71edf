import Foundation

/// Formats beyond libsndfile's, decoded by the `ffmpeg` program where it is installed.
enum ExternalDecoder {
    /// Raw codecs without a header, which only their file name announces.
    static let headerless: Set<String> = ["g722", "722"]

    /// The program's path, looked up in `PATH`.
    static func program() -> URL? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { URL(fileURLWithPath: String($0)).appendingPathComponent("ffmpeg") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Decodes a file's first audio stream, at its own rate, into a temporary floating-point AU file.
    ///
    /// Through a file, not a pipe: nothing can then block, however many threads decode. The file is mapped and then
    /// unlinked: hours of audio take room on the disk, not in memory.
    ///
    /// - Parameters:
    ///   - path: What to decode.
    ///   - name: What errors call it.
    /// - Returns: The decoded file's bytes.
    /// - Throws: `AudioError`.
    static func decode(path: String, name: String) throws -> Data {
        guard let program = program() else {
            throw AudioError.unknownFormat(
                file: name, reason: "G.722, M4A, WebM and the like need the program ffmpeg, which is not installed")
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw AudioError.unreadable(file: name, reason: "no temporary folder can be made: \(error)")
        }
        defer { try? FileManager.default.removeItem(at: folder) }
        let decoded = folder.appendingPathComponent("decoded.au")
        let log = folder.appendingPathComponent("log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)

        let process = Process()
        process.executableURL = program
        process.arguments = [
            "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-protocol_whitelist", "file",
            "-i", "file:" + path, "-map", "0:a:0", "-map_metadata", "-1", "-c:a", "pcm_f32be", "-f", "au",
            "file:" + decoded.path,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        do {
            let handle = try FileHandle(forWritingTo: log)
            process.standardError = handle
            try process.run()
            process.waitUntilExit()
            try handle.close()
        } catch {
            throw AudioError.unreadable(file: name, reason: "ffmpeg cannot be started: \(error)")
        }
        let text = (try? Data(contentsOf: log)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let last = (text.split(separator: "\n").last ?? "nothing")
            .replacingOccurrences(of: "file:" + path, with: "the file")
        // Of some containers it plays what is left, reports success, and says only here that the rest is missing.
        let signs = ["prematurely", "truncated", "corrupt", "partial file", "moov atom not found"]
        if signs.contains(where: text.contains) {
            throw AudioError.damaged(file: name, reason: "ffmpeg says: \(last)")
        }
        guard process.terminationStatus == 0, let data = try? Data(contentsOf: decoded, options: .alwaysMapped)
        else {
            throw AudioError.unknownFormat(file: name, reason: "ffmpeg says: \(last)")
        }
        return data
    }
}
