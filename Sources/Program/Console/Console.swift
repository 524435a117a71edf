import Foundation
import Synchronization
import W2VBase

/// What people read goes to standard error; results go to standard output.
enum Console {
    /// Writes a line to standard error.
    ///
    /// Names of files and requests come from others: what a terminal would obey, or take for another line, appears as code
    /// points.
    static func error(_ line: String) {
        clear()
        writeMessage(line.printable + "\n")
    }

    /// Writes a line to standard output.
    ///
    /// - Throws: `OutputError` when it cannot be written.
    static func output(_ line: String) throws {
        try output(Data((line + "\n").utf8))
    }

    /// Writes text with its own line ends to standard output.
    ///
    /// - Throws: `OutputError` when it cannot be written, as on a full disk.
    static func output(_ text: Data) throws {
        clear()
        var rest = text[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written >= 0 {
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                var waited = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                poll(&waited, 1, -1)
            } else if errno != EINTR {
                throw OutputError(
                    description: "standard output cannot be written (\(String(cString: strerror(errno)))); "
                        + "not all of the result is there.")
            }
        }
    }

    /// How many characters fit in a line of standard output.
    static var outputWidth: Int {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init), columns > 0 {
            return columns
        }
        return TerminalText.columns(of: STDOUT_FILENO)
    }

    /// Whether results may be coloured: on a terminal, unless `NO_COLOR` says otherwise.
    static var outputIsColored: Bool {
        let environment = ProcessInfo.processInfo.environment
        return isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    private static let state = Mutex((shown: false, last: ContinuousClock.now - .seconds(60)))

    /// Shows how far a command is, in place on a terminal, and every ten seconds elsewhere.
    static func progress(_ text: @autoclosure () -> String) {
        show(text, elsewhere: .seconds(10))
    }

    /// Shows how far a command is in place on a terminal, and nothing elsewhere: for commands that write lines of their
    /// own.
    static func live(_ text: @autoclosure () -> String) {
        show(text, elsewhere: nil)
    }

    private static func show(_ text: () -> String, elsewhere: Duration?) {
        let isTerminal = isatty(STDERR_FILENO) == 1
        guard let pause = isTerminal ? .milliseconds(100) : elsewhere else { return }
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard now - state.last >= pause else { return false }
            state = (isTerminal, now)
            return true
        }
        guard isDue else { return }
        let line = text()
        // Speech that is recognised has invisible characters of its own, such as joiners: they stay.
        let isHarmless = line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        let shown = isHarmless ? line : line.printable
        writeMessage(isTerminal ? clearedLine + TerminalText.beginning(of: shown, columns: width - 1) : shown + "\n")
    }

    /// Nobody may be reading any more: that must not keep a run from saving.
    private static func writeMessage(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }

    /// What begins a terminal's line anew; one that knows no such thing gets spaces.
    private static var clearedLine: String {
        guard ProcessInfo.processInfo.environment["TERM"] == "dumb" else { return "\r\u{1B}[K" }
        return "\r" + String(repeating: " ", count: width - 1) + "\r"
    }

    /// The number of columns of the terminal that progress is shown on; a line that wraps cannot be overwritten.
    static var width: Int { TerminalText.columns(of: STDERR_FILENO) }

    private static func clear() {
        let wasShown = state.withLock { state in
            defer { state.shown = false }
            return state.shown
        }
        if wasShown { writeMessage(clearedLine) }
    }
}

/// A number that is written as `null` where it is missing, so that the key is always there.
struct Nullable<Value: Encodable>: Encodable {
    var value: Value?

    init(_ value: Value?) { self.value = value }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value { try container.encode(value) } else { try container.encodeNil() }
    }
}

/// A number with a fixed count of decimals.
func decimal(_ number: Double, _ places: Int) -> String { String(format: "%.\(places)f", number) }

/// A fraction as a percentage with two decimals.
func percentage(_ fraction: Double?) -> String { fraction.map { decimal($0 * 100, 2) + " %" } ?? "undefined" }
