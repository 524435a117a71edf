/// Raw audio that has come and that the model has not heard: as much as it is behind, up to a limit.
public actor LiveBuffer {
    private var samples: [Float] = []
    private var hasEnded = false
    private var reader: CheckedContinuation<Void, Never>?
    private var writer: CheckedContinuation<Void, Never>?
    private let most: Int

    /// Makes a buffer.
    ///
    /// - Parameter most: How many samples may wait before the one who brings them has to.
    public init(most: Int) { self.most = most }

    /// Takes samples; returns when more may come.
    public func add(_ more: [Float]) async {
        // Half a sample, or a first byte that may begin a file, gives none yet: that is not the end.
        guard !more.isEmpty, !hasEnded else { return }
        samples += more
        wakeReader()
        guard samples.count > most else { return }
        await withCheckedContinuation { writer = $0 }
    }

    /// Ends the input.
    ///
    /// - Parameter dropsRest: Whether what waits is dropped.
    public func end(droppingRest dropsRest: Bool = false) {
        hasEnded = true
        if dropsRest { samples.removeAll() }
        wakeReader()
        wakeWriter()
    }

    /// All that has come; waits where that is nothing, and gives nil at the end.
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
