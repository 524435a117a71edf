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

    /// Decodes a file's first audio stream, at its own rate, as floating-point AU.
    ///
    /// - Parameters:
    ///   - path: What to decode.
    ///   - name: What errors call it.
    /// - Returns: The decoded file's bytes.
    /// - Throws: `AudioError`.
    static func decode(path: String, name: String) throws -> Data {
        try decode("file:" + path, from: FileHandle.nullDevice, name: name)
    }

    /// Decodes what a temporary file holds.
    static func decode(_ file: NamelessFile, name: String) throws -> Data {
        // By this name, and not as a pipe, it can be looked at in any order.
        try decode("file:/dev/stdin", from: file.handle, name: name)
    }

    /// Decodes through a file, not a pipe.
    ///
    /// Nothing can then block, however many threads decode. The file has no name and is mapped: hours of audio take room on
    /// the disk, not in memory, and nothing stays there when the program is killed.
    private static func decode(_ source: String, from input: FileHandle, name: String) throws -> Data {
        guard let program = program() else {
            throw AudioError.unknownFormat(
                file: name, reason: "G.722, M4A, WebM and the like need the program ffmpeg, which is not installed")
        }
        let decoded = try NamelessFile(for: name)
        let process = Process()
        process.executableURL = program
        process.arguments = [
            "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-protocol_whitelist", "file,pipe",
            "-i", source, "-map", "0:a:0", "-map_metadata", "-1", "-c:a", "pcm_f32be", "-f", "au", "pipe:1",
        ]
        process.standardInput = input
        process.standardOutput = decoded.handle
        let messages = Pipe()
        process.standardError = messages
        let log: Data
        do {
            try process.run()
            log = messages.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
        } catch {
            throw AudioError.unreadable(file: name, reason: "ffmpeg cannot be started: \(error)")
        }
        let text = String(decoding: log, as: UTF8.self)
        if text.contains("No space left on device") { throw decoded.failure(for: name) }
        let last = (text.split(separator: "\n").last ?? "nothing").replacingOccurrences(of: source, with: "the file")
        // Of some containers it plays what is left, reports success, and says only here that the rest is missing.
        let signs = ["prematurely", "truncated", "corrupt", "partial file", "moov atom not found"]
        if signs.contains(where: text.contains) {
            throw AudioError.damaged(file: name, reason: "ffmpeg says: \(last)")
        }
        guard process.terminationStatus == 0, let data = decoded.mapped() else {
            throw AudioError.unknownFormat(file: name, reason: "ffmpeg says: \(last)")
        }
        return data
    }
}
