import Foundation
import W2VAudio
import W2VBase
import W2VCorpus
import W2VInference

/// The recordings to transcribe, and errors of those that cannot be found, in the order given.
struct TranscriptionInputs {
    /// A recording, or a folder or list that cannot be read.
    struct Entry {
        /// The path for output; `-` for standard input.
        var path: String
        /// The folder that was given, or that contains a given file; nil for standard input.
        var root: URL?
        /// The error of a folder.
        var failure: (any Error)?
    }

    /// The entries, with folders replaced by their recordings.
    private(set) var entries: [Entry] = []
    /// Whether exactly one recording was named, so that its text is printed without a name.
    let isSingle: Bool

    /// Finds the inputs.
    ///
    /// - Parameters:
    ///   - files: Recordings, folders of recordings, and `-` for standard input.
    ///   - lists: Files with such names, one per line.
    /// - Throws: `CommandError` when a list cannot be read or is empty.
    init(files: [String], lists: [String]) throws {
        let listed = try lists.flatMap(Self.names)
        for name in files + listed {
            if name == "-" {
                entries.append(Entry(path: name))
            } else if Self.isFolder(name) {
                entries += Self.recordings(in: name)
            } else {
                let failure = Self.refusal(of: name)
                entries.append(Entry(path: name, root: fileURL(name).deletingLastPathComponent(), failure: failure))
            }
        }
        isSingle = lists.isEmpty && files.count == 1 && files.allSatisfy { !Self.isFolder($0) }
    }

    /// Returns the error of a name that cannot be that of a recording; nil for any other.
    private static func refusal(of name: String) -> CommandError? {
        guard !FileManager.default.fileExists(atPath: name) else { return nil }
        if name.hasPrefix("https://") || name.hasPrefix("http://") {
            return CommandError(
                .input, "\(name): addresses are not fetched",
                "send the file through a pipe: curl -s '\(name)' | wav2vec2 transcribe … -")
        }
        return name.hasSuffix("/") ? CommandError(.input, "\(name): there is no such folder", "check the path") : nil
    }

    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    private static func recordings(in folder: String) -> [Entry] {
        let root = fileURL(folder)
        func entry(_ path: String, _ failure: (any Error)? = nil) -> Entry {
            Entry(path: (folder as NSString).appendingPathComponent(path), root: root, failure: failure)
        }
        var unreadable: [Entry] = []
        do {
            return try AudioFolder.list(root, extensions: AudioFile.fileExtensions) { path, error in
                unreadable.append(entry(path, error))
            }.map { entry($0) } + unreadable
        } catch {
            return [Entry(path: folder, root: root, failure: error)]
        }
    }

    private static func names(list: String) throws -> [String] {
        let data: Data
        do {
            data = list == "-" ? try standardInput() : try Data(contentsOf: fileURL(list))
        } catch {
            throw CommandError(.input, "\(list): the list cannot be read (\(SystemReason.of(error)))")
        }
        guard !data.contains(0) else {
            throw CommandError(
                .input, "\(list): is not a list of names",
                "name recordings themselves without --list")
        }
        let text: String
        do {
            text = try UTF8Text.decode(data)
        } catch {
            throw CommandError(
                .input, "\(list): \(error.problem)",
                error.advice.map { $0 + "; a name that has other bytes on disk must be changed there too" })
        }
        let lines = text.utf8.split(omittingEmptySubsequences: false) { $0 == 0x0A || $0 == 0x0D }.map { Substring($0) }
        if let long = lines.first(where: { $0.utf8.count > Int(PATH_MAX) }) {
            throw CommandError(
                .input,
                "\(list): expected the path of a recording on each line, found a line of \(long.utf8.count) bytes (\"\(long.excerpt(40))\")",
                "write one path a line")
        }
        let names = lines.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        if names.isEmpty {
            throw CommandError(
                .input, "\(list): the list is empty",
                "write the paths of recordings in it, one a line")
        }
        return names
    }

    /// Returns a name for each entry's results: its path without the extension, relative to the entries' common folder.
    ///
    /// Recordings that differ only in their extensions keep them.
    func outputNames() -> [String] {
        let folders = entries.map { $0.root?.standardizedFileURL.pathComponents ?? [] }
        var common = folders.first { !$0.isEmpty } ?? []
        for folder in folders where !folder.isEmpty {
            common = zip(common, folder).prefix { $0.hasSameCodePoints(as: $1) }.map(\.0)
        }
        let whole = zip(entries, folders).map { entry, folder in
            if folder.isEmpty { return "standard-input" }
            let components = fileURL(entry.path).standardizedFileURL.pathComponents
            return components.dropFirst(common.count).joined(separator: "/")
        }
        let stems = whole.map { ($0 as NSString).deletingPathExtension }
        let counts = Dictionary(stems.map { (ExactText($0), 1) }, uniquingKeysWith: +)
        return zip(whole, stems).map { name, stem in counts[ExactText(stem)] == 1 ? stem : name }
    }
}

extension TranscriptionInputs.Entry {
    /// Opens the recording.
    func recording() throws -> Recording {
        if let failure { throw failure }
        if path == "-" { return try Recording(encoded: standardInput(), name: "standard input") }
        return try Recording(contentsOf: fileURL(path))
    }
}

/// The most bytes of standard input, which is held in memory: an endless input would use up all of it.
private let mostInputBytes = 4 << 30

/// Reads all bytes of standard input.
private func standardInput() throws -> Data {
    do {
        var data = Data()
        while let block = try FileHandle.standardInput.read(upToCount: 1 << 20), !block.isEmpty {
            data.append(block)
            guard data.count <= mostInputBytes else {
                throw CommandError(
                    .input, "standard input: there are more than \(mostInputBytes >> 30) GiB of it",
                    "transcribe the file by its name, or live audio with --live")
            }
        }
        return data
    } catch let error as CommandError {
        throw error
    } catch {
        throw CommandError(
            .input, "standard input: cannot be read (\(SystemReason.of(error)))",
            "give - a pipe or a file")
    }
}
