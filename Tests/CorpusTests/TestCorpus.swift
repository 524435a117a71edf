import Foundation
import TestSupport
import W2VAudio

@testable import W2VCorpus

/// A folder of synthetic recordings that is removed with its owner.
final class TestCorpus {
    private let temporary: TemporaryFolder
    var folder: URL { temporary.url }

    init() throws { temporary = try TemporaryFolder() }

    func file(_ name: String) -> URL { temporary.file(name) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> URL { try temporary.write(text, to: name) }

    /// Each sample of an utterance is a different multiple of 1/32768, so that a crop shows its position.
    static func signal(_ index: Int, count: Int) -> [Float] {
        (0..<count).map { Float((index * 7919 + $0) % 65_536 - 32_768) / 32_768 }
    }

    /// Writes `u0.flac`, `u1.flac`, … of the given lengths, and their manifest with labels.
    func manifest(lengths: [Int], labels: [String]? = nil) throws -> Manifest {
        for (index, length) in lengths.enumerated() {
            try AudioFile.write(Self.signal(index, count: length), to: file("u\(index).flac"), format: .flac)
        }
        let entries = lengths.enumerated().map { "u\($0).flac\t\($1)\n" }.joined()
        let url = try write("train.tsv", folder.path + "\n" + entries)
        if let labels { try write("train.ltr", labels.joined(separator: "\n") + "\n") }
        return try Manifest.read(url, labels: labels == nil ? nil : "ltr")
    }
}

extension CorpusError {
    /// The name of the error's case.
    var name: String? { Mirror(reflecting: self).children.first?.label }

    /// The file and line that the error is about, with a colon between them.
    var place: String? {
        guard let file = value("file", String.self) else { return nil }
        return file + (value("line", Int.self).map { ":\($0)" } ?? "")
    }

    /// The text expected in place of a line's contents.
    var expected: String { value("expected", String.self) ?? "" }

    /// One of the values of the error's case.
    func value<Value>(_ name: String, _ type: Value.Type) -> Value? {
        let values = Mirror(reflecting: self).children.first.map { Mirror(reflecting: $0.value).children }
        return values?.first { $0.label == name }?.value as? Value
    }
}
