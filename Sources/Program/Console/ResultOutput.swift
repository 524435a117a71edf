import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus

/// Refuses an output that would replace an input of the same command.
///
/// - Parameters:
///   - inputs: The files that the command reads.
///   - output: The file that it writes; `nil` for standard output.
///   - option: The option that names the output.
/// - Throws: `ValidationError` naming the file.
func refuseReplacing(_ inputs: [URL], by output: String?, option: String = "--output") throws {
    guard let output, let own = FileIdentity(fileURL(output).path) else { return }
    guard inputs.contains(where: { FileIdentity($0.path) == own }) else { return }
    throw ValidationError("\(option) \(output) is an input of this command and would be replaced: name another file.")
}

/// Refuses to replace an existing file.
///
/// - Parameters:
///   - output: The file to write.
///   - replaces: Whether it may be replaced.
/// - Throws: `CommandError` naming the file.
func refuseExisting(_ output: String, replaces: Bool) throws {
    guard !replaces, FileManager.default.fileExists(atPath: output) else { return }
    throw CommandError(.failure, "\(output): exists already", "give --force to replace it, or choose another name")
}

/// Whether two outputs, which need not exist yet, name one file.
func isSameFile(_ first: String, _ second: String) -> Bool {
    fileURL(first).standardizedFileURL.resolvingSymlinksInPath()
        == fileURL(second).standardizedFileURL.resolvingSymlinksInPath()
}

/// Creates the folder of an output file.
func makeFolder(of file: URL) throws {
    let folder = file.deletingLastPathComponent()
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        throw CommandError(.failure, "\(folder.path): the folder cannot be made (\(SystemReason.of(error)))")
    }
}

/// Writes a result file completely or not at all, creating its folder if needed.
func writeResult(_ text: String, to file: URL) throws {
    AtomicFile.removeLeftovers(of: file)
    try writeResult(to: file) { try $0(text) }
}

/// Writes a result piece by piece in blocks: for long recordings it is much larger than what is in memory.
///
/// - Parameters:
///   - file: The file, which appears only when it is complete, its folder created if needed; nil for standard output.
///   - body: Writes the result by calling its argument with pieces of text.
/// - Throws: `CommandError` about the folder, `FileWriteError` about the file; an error of `body`.
func writeResult(to file: URL?, _ body: ((String) throws -> Void) throws -> Void) throws {
    guard let file else { return try inBlocks(body) { try Console.output($0) } }
    try makeFolder(of: file)
    try AtomicFile.write(to: file) { output in
        try inBlocks(body) { block in try output.append(block) }
    }
}

private func inBlocks(
    _ body: ((String) throws -> Void) throws -> Void, to sink: (Data) throws -> Void
) throws {
    var block = Data()
    try withoutActuallyEscaping(sink) { sink in
        try body { piece in
            block.append(contentsOf: piece.utf8)
            guard block.count >= 65_536 else { return }
            try sink(block)
            block.removeAll(keepingCapacity: true)
        }
    }
    if !block.isEmpty { try sink(block) }
}
