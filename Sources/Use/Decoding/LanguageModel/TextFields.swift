import Foundation
import W2VBase

/// Reads language models, lexicons and texts line by line.
typealias LineReader = W2VBase.LineReader<LanguageModelError>

extension LanguageModelError: LineReadingError {
    /// Makes the error of a text that cannot be read.
    public init(_ problem: LineProblem, in path: String) {
        self =
            switch problem {
            case .notFound: .unreadable(path: path, reason: "there is no such file")
            case .unreadable(let reason): .unreadable(path: path, reason: reason)
            case .notUTF8(let line, let found): .notUTF8(path: path, line: line, found: found)
            case .longLine(let line, let most):
                .unusable(
                    path: path,
                    reason: "has more than \(most >> 20) MiB in line \(line); check that it is a text file of lines")
            }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as text.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Calls `body` with every word: a run of bytes that are not white space.
    func forEachField<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        var start = 0
        while start < count {
            while start < count, LetterText.isSpace(self[start]) { start += 1 }
            var end = start
            while end < count, !LetterText.isSpace(self[end]) { end += 1 }
            if end > start { try body(UnsafeRawBufferPointer(rebasing: self[start..<end])) }
            start = end
        }
    }
}
