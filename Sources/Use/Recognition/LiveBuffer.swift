/// Raw audio that has arrived and that the model has not processed yet, up to a limit.
public actor LiveBuffer {
    private var samples: [Float] = []
    private var hasEnded = false
    private var reader: CheckedContinuation<Void, Never>?
    private var writer: CheckedContinuation<Void, Never>?
    private let most: Int

    /// Makes a buffer.
    ///
    /// - Parameter most: The number of samples in the buffer above which the producer has to wait.
    public init(most: Int) { self.most = most }

    /// Adds samples; returns when the buffer has room for more.
    public func add(_ more: [Float]) async {
        // Half a sample, or a first byte that may start a file, yields no samples yet: that is not the end.
        guard !more.isEmpty, !hasEnded else { return }
        samples += more
        wakeReader()
        guard samples.count > most else { return }
        await withCheckedContinuation { writer = $0 }
    }

    /// Ends the input.
    ///
    /// - Parameter dropsRest: Whether to drop the samples in the buffer.
    public func end(droppingRest dropsRest: Bool = false) {
        hasEnded = true
        if dropsRest { samples.removeAll() }
        wakeReader()
        wakeWriter()
    }

    /// Returns all samples in the buffer; waits while it is empty, and returns nil at the end.
    public func next() async -> [Float]? {
        while samples.isEmpty, !hasEnded { await withCheckedContinuation { reader = $0 } }
        defer {
            samples.removeAll()
            wakeWriter()
        }
        return samples.isEmpty ? nil : samples
    }

    private func wakeReader() {
        reader?.resume()
        reader = nil
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }
}
