import Foundation
import W2VBase

/// Shows the progress, speed and remaining time of work on counted items.
struct CountProgress: Sendable {
    private let command: String
    private let things: String
    private let began = ContinuousClock.now

    /// Starts with nothing done.
    ///
    /// - Parameters:
    ///   - command: The line's first words.
    ///   - things: The counted items, in the plural.
    init(_ command: String, _ things: String) {
        self.command = command
        self.things = things
    }

    /// Shows the number of finished items.
    func show(_ done: Int, of total: Int) {
        Console.progress(
            Self.text(command, things, done, of: total, seconds: (ContinuousClock.now - began) / .seconds(1)),
            share: total > 0 ? Double(done) / Double(total) : nil)
    }

    static func text(_ command: String, _ things: String, _ done: Int, of total: Int, seconds: Double) -> String {
        let counts = "\(command): \(done) of \(total) \(things)"
        guard done > 0, seconds > 0 else { return counts }
        let rate = Double(done) / seconds
        let digits = rate < 1 ? 2 : rate < 100 ? 1 : 0
        return counts
            + " · \(decimal(rate, digits)) \(things) a second · ETA \(ReadableText.duration(Double(total - done) / rate))"
    }
}
