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
    /// - Throws: `CommandError` when it cannot be written.
    static func output(_ line: String) throws {
        try output(Data((line + "\n").utf8))
    }

    /// Writes text with its own line ends to standard output.
    ///
    /// - Throws: `CommandError` when it cannot be written, as on a full disk.
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
                throw CommandError(
                    .failure,
                    "standard output cannot be written (\(String(cString: strerror(errno)))), so the result is incomplete"
                )
            }
        }
    }

    /// How many characters fit in a line of standard output.
    static var outputWidth: Int {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init), columns > 0 {
            return columns
        }
        return width(of: STDOUT_FILENO)
    }

    /// Whether results may be colored: on a terminal, unless `NO_COLOR` says otherwise.
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
        // Speech that is recognized has invisible characters of its own, such as joiners: they stay.
        let isHarmless = line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        let shown = isHarmless ? line : line.printable
        writeMessage(isTerminal ? clearedLine + fitting(shown) : shown + "\n")
    }

    /// Nobody may be reading any more: that must not keep a run from saving.
    private static func writeMessage(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }

    /// The sequence that clears a terminal's line, or spaces if the terminal has none.
    private static var clearedLine: String {
        guard ProcessInfo.processInfo.environment["TERM"] == "dumb" else { return "\r\u{1B}[K" }
        return "\r" + String(repeating: " ", count: width(of: STDERR_FILENO) - 1) + "\r"
    }

    /// A line that ends in an ellipsis where it would not fit: what wraps cannot be overwritten.
    private static func fitting(_ text: String) -> String {
        let most = width(of: STDERR_FILENO) - 1
        return text.count <= most ? text : text.prefix(max(0, most - 1)) + "…"
    }

    private static func width(of descriptor: Int32) -> Int {
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

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
