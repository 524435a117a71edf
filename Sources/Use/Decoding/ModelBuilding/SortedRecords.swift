import Foundation
import W2VBase

/// Fixed-size records sorted by their first numbers: in memory while they fit, otherwise on disk.
///
/// Records are rows of 32-bit numbers, the first `keyLength` of which are compared in order. Records that exceed the
/// memory are written as sorted runs to an unlinked file, so that nothing is left behind after a crash; the runs are
/// merged while they are read.
final class SortedRecords {
    let width: Int
    let keyLength: Int
    private let capacity: Int
    private let folder: URL
    /// Whether records with equal keys are added up: their last two numbers are then one 64-bit count.
    private let combines: Bool
    private var buffer: UnsafeMutablePointer<UInt32>
    private var count = 0
    private var runs: [RecordFile] = []

    /// Makes an empty collection.
    ///
    /// - Parameters:
    ///   - keyLength: The number of numbers that are compared.
    ///   - memory: The maximum memory in bytes.
    ///   - combines: Whether records with equal keys are added up.
    init(width: Int, keyLength: Int, memory: Int, folder: URL, combines: Bool = false) {
        self.width = width
        self.keyLength = keyLength
        self.folder = folder
        self.combines = combines
        // Sorting needs an index of 4 bytes beside each record, and a run a copy.
        capacity = min(max(memory / (width * 8 + 4), 1024), Int(UInt32.max) - 1)
        buffer = .allocate(capacity: capacity * width)
    }

    deinit { buffer.deallocate() }

    /// Adds a record.
    func append(_ fill: (UnsafeMutablePointer<UInt32>) -> Void) throws(LanguageModelError) {
        if count == capacity { try spill() }
        fill(buffer + count * width)
        count += 1
    }

    private func spill() throws(LanguageModelError) {
        sort()
        if combines, count < capacity / 2 { return }
        let file = try RecordFile(folder: folder)
        try file.write(UnsafeRawBufferPointer(start: buffer, count: count * width * 4))
        runs.append(file)
        count = 0
    }

    /// Sorts the records in memory, and adds up equal ones.
    private func sort() {
        let (width, keyLength, buffer) = (width, keyLength, buffer)
        var order = (0..<UInt32(count)).map { $0 }
        order.sort { first, second in
            let (left, right) = (buffer + Int(first) * width, buffer + Int(second) * width)
            for index in 0..<keyLength where left[index] != right[index] { return left[index] < right[index] }
            return false
        }
        let sorted = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * width)
        var kept = 0
        for index in order {
            let record = buffer + Int(index) * width
            if combines, kept > 0 {
                let last = sorted + (kept - 1) * width
                if Self.same(last, record, keyLength) {
                    Self.add(record, to: last, width)
                    continue
                }
            }
            (sorted + kept * width).update(from: record, count: width)
            kept += 1
        }
        buffer.deallocate()
        self.buffer = sorted
        count = kept
    }

    @inline(__always) private static func same(
        _ left: UnsafeMutablePointer<UInt32>, _ right: UnsafeMutablePointer<UInt32>, _ length: Int
    ) -> Bool {
        for index in 0..<length where left[index] != right[index] { return false }
        return true
    }

    private static func add(_ record: UnsafeMutablePointer<UInt32>, to sum: UnsafeMutablePointer<UInt32>, _ width: Int)
    {
        let total = number(sum + width - 2) &+ number(record + width - 2)
        store(total, sum + width - 2)
    }

    /// Reads a 64-bit number from two numbers of a record.
    @inline(__always) static func number(_ place: UnsafeMutablePointer<UInt32>) -> UInt64 {
        UInt64(place[0]) | UInt64(place[1]) << 32
    }

    /// Stores a 64-bit number in two numbers of a record.
    @inline(__always) static func store(_ number: UInt64, _ place: UnsafeMutablePointer<UInt32>) {
        place[0] = UInt32(truncatingIfNeeded: number)
        place[1] = UInt32(truncatingIfNeeded: number >> 32)
    }

    /// Calls `body` with every record in order; afterward the collection is empty.
    func drain(_ body: (UnsafeMutablePointer<UInt32>) throws(LanguageModelError) -> Void) throws(LanguageModelError) {
        let stream = try SortedStream(self)
        while let record = try stream.next() { try body(record) }
    }

    /// Returns the sources of the stream of records: sorted memory, and the runs.
    fileprivate func seal() -> (memory: UnsafeMutablePointer<UInt32>, count: Int, runs: [RecordFile]) {
        sort()
        defer { count = 0 }
        return (buffer, count, runs)
    }

    /// Reads sorted records one by one.
    final class SortedStream {
        private let records: SortedRecords
        private var sources: [Source] = []
        private var current: UnsafeMutablePointer<UInt32>

        private struct Source {
            var next: UnsafeMutablePointer<UInt32>
            var left: Int
            var file: RecordFile?
        }

        private static let block = 1 << 15

        init(_ records: SortedRecords) throws(LanguageModelError) {
            self.records = records
            current = .allocate(capacity: records.width)
            let (memory, count, runs) = records.seal()
            if count > 0 { sources.append(Source(next: memory, left: count, file: nil)) }
            for run in runs {
                try run.rewind(buffer: Self.block * records.width * 4)
                if let (start, count) = try run.read(recordBytes: records.width * 4) {
                    sources.append(Source(next: start, left: count, file: run))
                }
            }
        }

        deinit { current.deallocate() }

        /// Returns the next record, valid until the next call; nil after the last one.
        func next() throws(LanguageModelError) -> UnsafeMutablePointer<UInt32>? {
            guard var best = sources.indices.first else { return nil }
            for index in sources.indices.dropFirst() where isLess(sources[index].next, sources[best].next) {
                best = index
            }
            current.update(from: sources[best].next, count: records.width)
            try advance(&best)
            guard records.combines else { return current }
            var index = 0
            while index < sources.count {
                if SortedRecords.same(sources[index].next, current, records.keyLength) {
                    SortedRecords.add(sources[index].next, to: current, records.width)
                    try advance(&index)
                } else {
                    index += 1
                }
            }
            return current
        }

        private func isLess(_ left: UnsafeMutablePointer<UInt32>, _ right: UnsafeMutablePointer<UInt32>) -> Bool {
            for index in 0..<records.keyLength where left[index] != right[index] { return left[index] < right[index] }
            return false
        }

        private func advance(_ index: inout Int) throws(LanguageModelError) {
            sources[index].next += records.width
            sources[index].left -= 1
            guard sources[index].left == 0 else { return }
            if let file = sources[index].file, let (start, count) = try file.read(recordBytes: records.width * 4) {
                sources[index].next = start
                sources[index].left = count
            } else {
                sources.remove(at: index)
            }
        }
    }
}

/// An unlinked file that is written once and then read from its beginning.
final class RecordFile {
    private let descriptor: Int32
    private let path: String
    private var buffer: UnsafeMutableRawBufferPointer?
    private var pending = Data()

    init(folder: URL) throws(LanguageModelError) {
        path = folder.path
        // mkstemp replaces the X with a free name.
        var template = Array((folder.path + "/wav2vec2-lm-XXXXXX").utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw .unwritable(path: folder.path, reason: SystemReason.of(code: errno))
        }
        // The file exists until it is closed.
        unlink(template)
    }

    deinit {
        close(descriptor)
        buffer?.deallocate()
    }

    /// Appends bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(LanguageModelError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .unwritable(path: path, reason: SystemReason.of(code: errno)) }
            rest = rest.dropFirst(count)
        }
    }

    /// Appends numbers, some at a time.
    func append(_ numbers: UnsafeBufferPointer<UInt32>) throws(LanguageModelError) {
        pending.append(contentsOf: UnsafeRawBufferPointer(numbers))
        if pending.count > 1 << 20 { try flush() }
    }

    private func flush() throws(LanguageModelError) {
        let bytes = pending
        pending.removeAll(keepingCapacity: true)
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(LanguageModelError) in try write(raw) }
        }
        try result.get()
    }

    /// Goes back to the beginning, to read with a buffer of this many bytes.
    func rewind(buffer size: Int) throws(LanguageModelError) {
        try flush()
        lseek(descriptor, 0, SEEK_SET)
        buffer?.deallocate()
        buffer = .allocate(byteCount: size, alignment: 8)
    }

    /// Reads the next records; nil at the end.
    func read(recordBytes: Int) throws(LanguageModelError) -> (UnsafeMutablePointer<UInt32>, Int)? {
        guard let buffer, let base = buffer.baseAddress else { return nil }
        let wanted = buffer.count / recordBytes * recordBytes
        var filled = 0
        while filled < wanted {
            let count = Foundation.read(descriptor, base + filled, wanted - filled)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, reason: SystemReason.of(code: errno)) }
            if count == 0 { break }
            filled += count
        }
        guard filled >= recordBytes else { return nil }
        return (base.assumingMemoryBound(to: UInt32.self), filled / recordBytes)
    }
}
