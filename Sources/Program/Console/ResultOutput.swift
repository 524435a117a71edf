import Foundation
import W2VBase

/// Makes the folder that a file is to be written to.
func makeFolder(of file: URL) throws {
    let folder = file.deletingLastPathComponent()
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        throw CommandError(.failure, "\(folder.path): the folder cannot be made (\(SystemReason.of(error)))")
    }
}

/// Writes a result's file whole or not at all, and makes its folder where it is not there.
func writeResult(_ text: String, to file: URL) throws {
    AtomicFile.removeLeftovers(of: file)
    try writeResult(to: file) { try $0(text) }
}

/// Writes a result piece by piece, gathered into blocks: of recordings of hours it is many times what is in memory.
///
/// - Parameters:
///   - file: The file, which appears only when all of it is written, its folder made if need be; nil for standard
///     output.
///   - body: Writes the result by calling what it gets with pieces of text.
/// - Throws: `CommandError` about the folder, `FileWriteError` about the file; what `body` throws.
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
