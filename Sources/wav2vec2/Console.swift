import Foundation
import Synchronization

/// What people read goes to standard error; results go to standard output.
enum Console {
    /// Writes a line to standard error.
    static func error(_ line: String) {
        clear()
        write(Data((line + "\n").utf8), to: .standardError)
    }

    /// Writes a line to standard output.
    static func output(_ line: String) {
        output(Data((line + "\n").utf8))
    }

    /// Writes text with its own line ends to standard output.
    static func output(_ text: Data) {
        clear()
        write(text, to: .standardOutput)
    }

    /// How many characters fit in a line of standard output.
    static var outputWidth: Int {
        if let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init), columns > 0 {
            return columns
        }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
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
        write(Data((isTerminal ? "\r\u{1B}[K" + text() : text() + "\n").utf8), to: .standardError)
    }

    /// Nobody may be reading any more: that must not keep a run from saving.
    private static func write(_ text: Data, to handle: FileHandle) { try? handle.write(contentsOf: text) }

    private static func clear() {
        let wasShown = state.withLock { state in
            defer { state.shown = false }
            return state.shown
        }
        if wasShown { write(Data("\r\u{1B}[K".utf8), to: .standardError) }
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
