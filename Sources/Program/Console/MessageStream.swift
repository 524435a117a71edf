import Foundation
import Synchronization
import W2VBase

/// Standard error: whole lines, and on a terminal one line below them that shows how far the work is.
///
/// Lines come from several threads; none of them tears another one or what the terminal shows apart.
final class MessageStream: Sendable {
    /// How often progress is shown.
    enum Pace {
        /// In place on a terminal, and as a line every ten seconds elsewhere.
        case everywhere
        /// In place on a terminal only: for commands that write lines of their own.
        case onTerminals
    }

    private struct State {
        /// Whether the terminal's last line is one that shows how far the work is.
        var isProgressShown = false
        var lastProgress: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let isTerminal: Bool
    private let pause: Duration
    private let width: @Sendable () -> Int
    private let isDumb: Bool
    private let write: @Sendable (String) -> Void

    /// Makes a stream.
    ///
    /// - Parameters:
    ///   - isTerminal: Whether a terminal shows it.
    ///   - isDumb: Whether that terminal cannot clear a line.
    ///   - pause: The least time between two looks at how far the work is, on a terminal.
    ///   - width: Returns the characters that fit in a line of the terminal.
    ///   - write: Writes text.
    init(
        isTerminal: Bool, isDumb: Bool = false, pause: Duration = .milliseconds(100),
        width: @escaping @Sendable () -> Int,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.isDumb = isDumb
        self.pause = pause
        self.width = width
        self.write = write
    }

    /// The process's standard error.
    static let standardError = MessageStream(
        isTerminal: isatty(STDERR_FILENO) == 1, isDumb: ProcessInfo.processInfo.environment["TERM"] == "dumb",
        width: { TerminalText.columns(of: STDERR_FILENO) },
        // Nobody may be reading any more: that must not keep a run from saving.
        write: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) })

    /// Writes a line, in place of the one that shows how far the work is.
    func line(_ text: String) {
        state.withLock { state in
            let cleared = state.isProgressShown ? clearedLine : ""
            state.isProgressShown = false
            write(cleared + text + "\n")
        }
    }

    /// Shows how far the work is, unless that was shown a moment ago.
    ///
    /// - Parameters:
    ///   - pace: How often that is.
    ///   - line: Writes a line where there is no terminal; `nil` for one as it is.
    ///   - text: Returns what is shown.
    func progress(_ pace: Pace, line: ((String) -> Void)? = nil, _ text: () -> String) {
        let isInPlace = isTerminal && line == nil
        if pace == .onTerminals && !isInPlace { return }
        let pause = isInPlace ? pause : .seconds(10)
        let isDue = state.withLock { state in
            if let last = state.lastProgress, .now - last < pause { return false }
            state.lastProgress = .now
            return true
        }
        guard isDue else { return }
        let text = text()
        if let line { return line(text) }
        // Speech that is recognized has invisible characters of its own, such as joiners: they stay.
        let isHarmless = text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        let shown = isHarmless ? text : text.printable
        guard isInPlace else { return self.line(shown) }
        state.withLock { state in
            state.isProgressShown = true
            write(clearedLine + fitting(shown))
        }
    }

    /// Clears the line that shows how far the work is.
    func clear() {
        state.withLock { state in
            if state.isProgressShown { write(clearedLine) }
            state.isProgressShown = false
        }
    }

    /// What clears a terminal's line; one that knows no such thing gets spaces.
    private var clearedLine: String {
        isDumb ? "\r" + String(repeating: " ", count: width() - 1) + "\r" : "\r\u{1B}[K"
    }

    /// A line that ends in an ellipsis where it would not fit: what wraps cannot be overwritten.
    private func fitting(_ text: String) -> String {
        let most = width() - 1
        return text.count <= most ? text : text.prefix(max(0, most - 1)) + "…"
    }
}
