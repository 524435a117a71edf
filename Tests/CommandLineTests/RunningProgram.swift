import Foundation

/// How a run of the built program ended.
struct Outcome {
    var code: Int32
    var output: String
    var errors: String

    /// The one JSON object of the output.
    func json() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
}

/// Runs the program that was built beside the test bundle.
func run(_ arguments: String..., in folder: URL? = nil) throws -> Outcome {
    try run(arguments, in: folder)
}

/// Runs the program with variables added to its environment and `input` in a pipe; `meanwhile` is called while it runs.
///
/// With `isOrdinaryUser` root may read no more than others, so that access rights are tested as root too. Without
/// `closesInput` the pipe stays open until the program has ended. Its input may be a file, and its output a device.
/// With `fileSizeLimit` no file may become larger, in bytes.
func run(
    _ arguments: [String], in folder: URL? = nil, environment: [String: String] = [:], input: Data? = nil,
    closesInput: Bool = true, inputFile: URL? = nil, output: String? = nil, isOrdinaryUser: Bool = false,
    fileSizeLimit: Int? = nil, meanwhile: (Process) -> Void = { _ in }
) throws -> Outcome {
    let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("wav2vec2")
    process.arguments = arguments
    if isOrdinaryUser, geteuid() == 0, let program = process.executableURL {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = ["--bounding-set=-dac_override,-dac_read_search", program.path] + arguments
    }
    if let fileSizeLimit, let program = process.executableURL {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments = ["--fsize=\(fileSizeLimit)", program.path] + (process.arguments ?? [])
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
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let files = try ["output", "errors"].map { name in
        let file = scratch.appendingPathComponent(name)
        try Data().write(to: file)
        return (file, try FileHandle(forWritingTo: file))
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
    meanwhile(process)
    process.waitUntilExit()
    if !closesInput { try pipe?.fileHandleForWriting.close() }
    return Outcome(
        code: process.terminationStatus, output: try String(contentsOf: files[0].0, encoding: .utf8),
        errors: try String(contentsOf: files[1].0, encoding: .utf8))
}

/// Calls `body` with a new folder, which is removed afterwards.
func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}
