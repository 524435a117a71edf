import ArgumentParser
import Foundation
import W2VBase
import W2VFetching

/// Options for retries and timeouts of downloads.
struct FetchingOptions: ParsableArguments {
    @Option(help: "Seconds without data after which a connection is dropped.")
    var timeout = 60

    @Option(help: "Number of times to try all mirrors, with increasing delays.")
    var attempts = 6

    func validate() throws {
        guard timeout >= 1 else { throw ValidationError("--timeout is \(timeout); it must be at least 1.") }
        guard attempts >= 1 else { throw ValidationError("--attempts is \(attempts); it must be at least 1.") }
    }

    /// Makes the downloader.
    func downloader() -> Downloader {
        var options = FetchOptions()
        options.stallTimeout = .seconds(timeout)
        options.connectTimeout = .seconds(min(timeout, 30))
        options.rounds = attempts
        options.agent = "wav2vec2/\(Program.version)"
        return Downloader(options: options)
    }

    /// Shows progress on standard error, and stops on Ctrl-C and SIGTERM, keeping partial files.
    static func monitor(_ signal: StopSignal) -> FetchMonitor {
        FetchMonitor(
            report: { progress in Console.progress("\(progress)") }, logger: Console.logger("fetching"),
            stop: { signal.received })
    }

    /// Checks addresses given on the command line.
    static func validate(_ addresses: [String], option: String) throws {
        for address in addresses where !address.hasPrefix("https://") && !address.hasPrefix("http://") {
            throw ValidationError("\(option) is \(address); it must begin with https:// or http://.")
        }
    }
}
