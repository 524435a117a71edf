import Decoding
import Foundation
import Torch

/// Makes the folder that a file is to be written to.
func makeFolder(of file: URL) throws {
    let folder = file.deletingLastPathComponent()
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        throw OutputError(description: "\(folder.path): the folder cannot be made (\(error.localizedDescription)).")
    }
}

/// Writes a result's file whole or not at all, and makes its folder where it is not there.
func writeResult(_ text: String, to file: URL) throws {
    try writeResult(to: file) { try $0(text) }
}

/// Writes a result piece by piece, gathered into blocks: of recordings of hours it is many times what is in memory.
///
/// - Parameters:
///   - file: The file, which appears only when all of it is written, its folder made if need be; nil for standard
///     output.
///   - body: Writes the result by calling what it gets with pieces of text.
/// - Throws: `OutputError` about the folder, `FileWriteError` about the file; what `body` throws.
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

/// What stands behind a key of a JSON object that is written piece by piece.
enum JSONMember {
    case value(any Encodable)
    case list([TimedText])
}

/// One JSON object in a line, as `jsonLine` would give it, but long lists are never encoded as a whole: an encoder takes
/// ten times the memory of what it encodes.
///
/// - Parameters:
///   - members: What stands behind each key; the keys are in snake case.
///   - body: Gets the line in pieces.
/// - Throws: What `body` throws.
func writeJSONLine(_ members: [String: JSONMember], to body: (String) throws -> Void) throws {
    var separator = "{"
    for (key, member) in members.sorted(by: { $0.key < $1.key }) {
        try body("\(separator)\"\(key)\":")
        separator = ","
        switch member {
        case .value(let value): try body(jsonLine(value))
        case .list(let texts):
            try body("[")
            for start in stride(from: 0, to: texts.count, by: 100) {
                let encoded = try jsonLine(Array(texts[start..<min(start + 100, texts.count)]))
                try body((start == 0 ? "" : ",") + encoded.dropFirst().dropLast())
            }
            try body("]")
        }
    }
    try body("}\n")
}
