import CW2VZlib
import Foundation
import W2VBase

/// Writes a language model in the ARPA format, plain or compressed by gzip.
final class ARPAWriter {
    private let output: AtomicFile
    private let file: gzFile
    private let words: [[UInt8]]
    private var isOpen = true
    private var buffer: [UInt8] = []

    init(_ target: URL, words: [String], counts: [Int]) throws(LanguageModelError) {
        let output = try LanguageModel.file(target)
        self.output = output
        self.words = words.map { Array($0.utf8) }
        // T means no compression.
        let mode = (output.path as NSString).pathExtension == "gz" ? "wb" : "wbT"
        guard let file = gzdopen(dup(output.descriptor.rawValue), mode) else {
            throw .unwritable(path: output.path, reason: SystemReason.of(code: errno))
        }
        self.file = file
        try text("\\data\\\n" + counts.enumerated().map { "ngram \($0 + 1)=\($1)\n" }.joined())
    }

    deinit {
        if isOpen { gzclose(file) }
    }

    private func text(_ text: String) throws(LanguageModelError) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count > 1 << 18 { try flush() }
    }

    private func flush() throws(LanguageModelError) {
        let written = gzwrite(file, buffer, UInt32(buffer.count))
        guard Int(written) == buffer.count else {
            throw .unwritable(path: output.path, reason: SystemReason.of(code: errno))
        }
        buffer.removeAll(keepingCapacity: true)
    }

    func beginSection(_ order: Int) throws(LanguageModelError) { try text("\n\\\(order)-grams:\n") }

    /// Writes an n-gram; its words are given newest first.
    func entry(
        _ newestFirst: UnsafeBufferPointer<UInt32>, _ probability: Float, _ backoff: Float?
    ) throws(LanguageModelError) {
        buffer.append(contentsOf: Self.number(probability).utf8)
        var separator = UInt8(ascii: "\t")
        for word in newestFirst.reversed() {
            buffer.append(separator)
            buffer.append(contentsOf: words[Int(word)])
            separator = UInt8(ascii: " ")
        }
        try text(backoff.map { "\t\(Self.number($0))\n" } ?? "\n")
    }

    /// Returns the shortest text from which the same number can be read.
    private static func number(_ number: Float) -> String { number == 0 ? "0" : "\(number)" }

    func finish() throws(LanguageModelError) {
        try text("\n\\end\\\n")
        try flush()
        isOpen = false
        guard gzclose(file) == Z_OK else {
            throw .unwritable(path: output.path, reason: SystemReason.of(code: errno))
        }
        try LanguageModel.rewording { () throws(FileWriteError) in try output.commit() }
    }
}
