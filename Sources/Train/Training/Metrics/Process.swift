import Foundation

/// Returns this process's peak memory so far, in MB of 2²⁰ bytes.
public func peakResidentMegabytes() -> Double {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    // Linux counts in units of 1024 bytes.
    return Double(usage.ru_maxrss) / 1024
}

extension Duration {
    /// The duration in seconds.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
