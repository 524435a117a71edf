import Foundation
import Synchronization

/// The outcome of a run of a program.
public struct Outcome: Sendable {
    /// The exit code.
    public var code: Int32
    /// The text written to standard output.
    public var output: String
    /// The text written to standard error.
    public var errors: String

    /// Parses the output as one JSON object.
    public func json() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
}

/// The program `wav2vec2` that was built beside the test bundle.
public enum BuiltProgram {
    /// The program's URL.
    ///
    /// - Throws: ``Missing``.
    public static var url: URL {
        get throws {
            let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let url = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("wav2vec2")
            guard FileManager.default.isExecutableFile(atPath: url.path) else { throw Missing(path: url.path) }
            return url
        }
    }

    /// The program is not built.
    public struct Missing: Error, CustomStringConvertible {
        /// The expected path.
        public let path: String
        /// One sentence.
        public var description: String { "\(path) is missing: swift build --build-tests builds it" }
    }
}

/// Runs another program to its end, discarding its output, and returns the exit code.
public func runTool(_ tool: URL, _ arguments: [String], in folder: URL? = nil) throws -> Int32 {
    let process = Process()
    process.executableURL = tool
    process.arguments = arguments
    process.currentDirectoryURL = folder
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
}

/// Runs the program that was built beside the test bundle.
public func run(_ arguments: String..., in folder: URL? = nil) throws -> Outcome {
    try run(arguments, in: folder)
}

/// Runs the program with variables added to its environment and `input` in a pipe; `meanwhile` is called while it runs.
///
/// With `isOrdinaryUser` root has no more read access than others, so that access rights can be tested as root too.
/// Without `closesInput` the pipe stays open until the program has ended. Its input may be a file, and its output a
/// device. With `fileSizeLimit` files cannot grow beyond this number of bytes, and with `openFileLimit` only so many files
/// can be open. A program that still runs after
/// `seconds` is killed.
public func run(
    _ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:], input: Data? = nil,
    closesInput: Bool = true, inputFile: URL? = nil, output: String? = nil, isOrdinaryUser: Bool = false,
    fileSizeLimit: Int? = nil, openFileLimit: Int? = nil, seconds: Double = 600, meanwhile: (Process) -> Void = { _ in }
) throws -> Outcome {
    let process = Process()
    process.executableURL = try BuiltProgram.url
    process.arguments = arguments
    if isOrdinaryUser, geteuid() == 0, let program = process.executableURL {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = ["--bounding-set=-dac_override,-dac_read_search", program.path] + arguments
    }
    if let fileSizeLimit, let program = process.executableURL {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments = ["--fsize=\(fileSizeLimit)", program.path] + (process.arguments ?? [])
    }
    if let openFileLimit, let program = process.executableURL {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments = ["--nofile=\(openFileLimit)", program.path] + (process.arguments ?? [])
    }
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(["COLUMNS": "80"]) { $1 }
        .merging(environment) { $1 }
    let pipe = input.map { _ in Pipe() }
    if let pipe {
        process.standardInput = pipe
    } else {
        process.standardInput = try inputFile.map { try FileHandle(forReadingFrom: $0) } ?? FileHandle.nullDevice
    }
    // Files, unlike pipes, cannot fill up while the other one is read.
    let scratch = try TemporaryFolder()
    defer { withExtendedLifetime(scratch) {} }
    let files = try ["output", "errors"].map { name in
        (try scratch.write("", to: name), try FileHandle(forWritingTo: scratch.file(name)))
    }
    process.standardOutput = try output.map { try FileHandle(forWritingTo: URL(fileURLWithPath: $0)) } ?? files[0].1
    process.standardError = files[1].1
    // The program may end before it has read everything.
    signal(SIGPIPE, SIG_IGN)
    try process.run()
    if let pipe, let input {
        try? pipe.fileHandleForWriting.write(contentsOf: input)
        if closesInput { try pipe.fileHandleForWriting.close() }
    }
    let isLate = Mutex(false)
    let watch = DispatchSource.makeTimerSource()
    watch.schedule(deadline: .now() + seconds)
    watch.setEventHandler { [id = process.processIdentifier] in
        isLate.withLock { $0 = true }
        kill(id, SIGKILL)
    }
    watch.resume()
    meanwhile(process)
    process.waitUntilExit()
    watch.cancel()
    guard !isLate.withLock({ $0 }) else {
        throw Late("wav2vec2 \(arguments.joined(separator: " ")) was killed: it ran for more than \(seconds) s")
    }
    if !closesInput { try pipe?.fileHandleForWriting.close() }
    return Outcome(
        code: process.terminationStatus, output: try String(contentsOf: files[0].0, encoding: .utf8),
        errors: try String(contentsOf: files[1].0, encoding: .utf8))
}
