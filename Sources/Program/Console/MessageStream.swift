import Foundation
import Synchronization
import W2VBase

/// Standard error: whole lines, and on a terminal one progress line below them.
///
/// Lines come from several threads; they never break each other or the terminal's display.
final class MessageStream: Sendable {
    /// The places where progress is shown.
    enum Pace {
        /// In place on a terminal, otherwise as a line every ten seconds.
        case everywhere
        /// In place on a terminal only: for commands that log lines of their own.
        case onTerminals
    }

    private struct State {
        /// Whether the terminal's last line shows progress.
        var isProgressShown = false
        var lastProgress: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let isTerminal: Bool
    private let pause: Duration
    private let linePause: Duration
    private let width: @Sendable () -> Int
    private let isDumb: Bool
    private let write: @Sendable (String) -> Void

    /// Makes a stream.
    ///
    /// - Parameters:
    ///   - isTerminal: Whether the stream is a terminal.
    ///   - isDumb: Whether that terminal cannot clear a line.
    ///   - pause: Minimum time between progress updates on a terminal.
    ///   - linePause: Minimum time between lines of progress elsewhere, and before the first of them.
    ///   - width: Returns the number of characters in a line of the terminal.
    ///   - write: Writes text.
    init(
        isTerminal: Bool, isDumb: Bool = false, pause: Duration = .milliseconds(100),
        linePause: Duration = .seconds(10), width: @escaping @Sendable () -> Int,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.isDumb = isDumb
        self.pause = pause
        self.linePause = linePause
        self.width = width
        self.write = write
    }

    /// The process's standard error.
    static let standardError = MessageStream(
        isTerminal: isatty(STDERR_FILENO) == 1, isDumb: ProcessInfo.processInfo.environment["TERM"] == "dumb",
        width: { TerminalText.columns(of: STDERR_FILENO) },
        // The reader may be gone: that must not keep a run from saving.
        write: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) })

    /// Writes a line, in place of the progress line.
    func line(_ text: String) {
        state.withLock { state in
            let cleared = state.isProgressShown ? clearedLine : ""
            state.isProgressShown = false
            write(cleared + text + "\n")
        }
    }

    /// Shows progress, unless it was shown a moment ago.
    ///
    /// - Parameters:
    ///   - pace: The places where it is shown.
    ///   - share: The share of the work that is done, which a terminal shows as a bar.
    ///   - line: Writes a line if there is no terminal; `nil` writes it unchanged.
    ///   - text: Returns the progress line.
    func progress(_ pace: Pace, share: Double? = nil, line: ((String) -> Void)? = nil, _ text: () -> String) {
        let isInPlace = isTerminal && line == nil
        if pace == .onTerminals && !isInPlace { return }
        let pause = isInPlace ? pause : linePause
        let isDue = state.withLock { state in
            // In a file, work that is soon done needs no line of progress.
            guard let last = state.lastProgress ?? (isInPlace ? ContinuousClock.now - pause : nil) else {
                state.lastProgress = .now
                return false
            }
            if .now - last < pause { return false }
            state.lastProgress = .now
            return true
        }
        guard isDue else { return }
        let text = text()
        if let line { return line(text) }
        // Recognized speech may contain invisible characters such as joiners, which stay.
        let isHarmless = text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        let shown = isHarmless ? text : text.printable
        guard isInPlace else { return self.line(shown) }
        state.withLock { state in
            state.isProgressShown = true
            write(clearedLine + TerminalText.progress(shown, share: share, columns: width() - 1))
        }
    }

    /// Clears the progress line.
    func clear() {
        state.withLock { state in
            if state.isProgressShown { write(clearedLine) }
            state.isProgressShown = false
        }
    }

    /// The characters that clear a terminal's line; spaces for a terminal without that function.
    private var clearedLine: String {
        isDumb ? "\r" + String(repeating: " ", count: width() - 1) + "\r" : "\r\u{1B}[K"
    }
}
