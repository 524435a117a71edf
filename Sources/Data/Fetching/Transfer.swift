import CW2VFetching
import Foundation

/// One request that appends its response to a partial file.
final class Transfer {
    /// The outcome of a transfer.
    enum Outcome {
        /// The file is complete.
        case complete
        /// This address does not have the file, and will not have it soon.
        case refused(String)
        /// Another attempt may succeed; `wait` is the number of seconds that the server asks to wait.
        case broken(String, wait: Double?)
    }

    private let address: String
    private let download: Download
    private let part: PartialFile
    private let monitor: FetchMonitor
    private var head = ResponseHead()
    private var meter: RateMeter?
    private var total: Int?
    private var offset = 0
    /// Number of bytes received.
    private(set) var received = 0
    /// Whether the first received byte is the file's first.
    private(set) var beganAtZero = false
    /// The reason why this side ended the transfer.
    private var refusal: String?
    private var failure: (any Error)?

    init(_ address: String, _ download: Download, into part: PartialFile, monitor: FetchMonitor) {
        self.address = address
        self.download = download
        self.part = part
        self.monitor = monitor
    }

    func run(_ options: FetchOptions) throws -> Outcome {
        let source = part.source
        let isSameSource = source?.address == address
        // Without a checksum only the server knows whether the rest belongs to the beginning.
        if part.size > 0, download.checksum == nil, !isSameSource { try part.discard() }
        if let size = download.size {
            if part.size > size { try part.discard() }
            if part.size == size { return .complete }
        }
        offset = part.size
        let outcome = perform(options, validator: isSameSource ? source?.validator : nil)
        if let failure { throw failure }
        if let refusal { return .refused(refusal) }
        if outcome.code == 0 && meter == nil {
            // The body is empty: that of an error, or of an empty file.
            try begin()
            if let refusal { return .refused(refusal) }
        }
        if let failed = try failedStatus() { return failed }
        guard outcome.code == 0 else { return .broken(outcome.reason, wait: nil) }
        if let total, part.size != total {
            return .broken("the connection ended after \(part.size) of \(total) bytes", wait: nil)
        }
        return .complete
    }

    private func perform(_ options: FetchOptions, validator: String?) -> (code: Int32, reason: String) {
        // The C side calls back on this thread, and only until the call returns.
        let context = Unmanaged.passUnretained(self).toOpaque()
        var outcome = cfetching_outcome()
        withTexts([
            address, options.agent, download.header, validator, options.certificateFile, options.certificateFolder,
        ]) { texts in
            var request = cfetching_request()
            request.address = texts[0]
            request.agent = texts[1]
            request.header = texts[2]
            request.if_range = texts[3]
            request.certificate_file = texts[4]
            request.certificate_folder = texts[5]
            request.offset = Int64(offset)
            request.connect_timeout_ms = Int64(options.connectTimeout / .milliseconds(1))
            request.stall_timeout_s = max(1, Int64((options.stallTimeout / .seconds(1)).rounded(.up)))
            request.context = context
            request.on_header = { context, line, length in
                guard let context, let line else { return }
                let bytes = UnsafeRawBufferPointer(start: line, count: length)
                Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                    .head.read(String(decoding: bytes, as: UTF8.self))
            }
            request.on_body = { context, bytes, length in
                guard let context else { return false }
                return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                    .receive(UnsafeBufferPointer(start: bytes, count: length))
            }
            request.on_tick = { context in
                guard let context else { return false }
                return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().tick()
            }
            cfetching_transfer(&request, &outcome)
        }
        let reason = withUnsafeBytes(of: outcome.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return (outcome.code, reason.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    // MARK: - The body

    private func receive(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        do {
            if meter == nil { try begin() }
            guard refusal == nil, [200, 206].contains(head.status) else { return false }
            if received == 0 { beganAtZero = part.size == 0 }
            try part.append(bytes)
            received += bytes.count
            if let progress = meter?.advance(by: bytes.count) { monitor.report(progress) }
            if let size = download.size, part.size > size {
                refusal = "it sends more than the expected \(size) bytes"
                return false
            }
            return true
        } catch {
            failure = error
            return false
        }
    }

    private func tick() -> Bool {
        guard let signal = monitor.stop() else { return true }
        failure = FetchError.stopped(signal: signal, file: download.name)
        return false
    }

    /// Checks the head before the first byte of the body is written to the file.
    private func begin() throws {
        switch head.status {
        case 200:
            // The file has changed, or the server does not support ranges: this is the whole file, from its first byte.
            if part.size > 0 {
                monitor.logger.notice("\(download.name): \(address) sends it from the beginning again")
                try part.discard()
            }
            total = head.contentLength
        case 206:
            guard let range = head.contentRange, range.start == offset else {
                refusal = "it answered with other bytes than those asked for"
                return
            }
            total = range.total ?? head.contentLength.map { $0 + offset }
        default: return
        }
        if let total, let size = download.size, total != size {
            refusal = "its file has \(total) bytes, where \(size) are expected"
            return
        }
        if let total {
            try DiskSpace.require(total - part.size, in: download.destination.deletingLastPathComponent())
        }
        part.source = head.validator.map { (address, $0) }
        meter = RateMeter(
            name: download.name, phase: .fetching, done: part.size, total: total ?? download.size)
    }

    /// Returns the outcome for a status other than success.
    private func failedStatus() throws -> Outcome? {
        switch head.status {
        case 0, 200, 206: return nil
        case 416:
            // There is nothing after our bytes, so they are not a beginning of this file.
            try part.discard()
            return .broken("it has no more than the \(offset) bytes that have come before", wait: nil)
        case 408, 425, 429, 500...599:
            return .broken("it answered with status \(head.status)", wait: head.retryAfter)
        case 404, 410: return .refused("it does not have the file (status \(head.status))")
        case 401, 403, 407: return .refused("it denies access (status \(head.status))")
        default: return .refused("it answered with status \(head.status)")
        }
    }
}

/// Calls `body` with C strings that are valid until it returns.
private func withTexts(_ texts: [String?], _ body: ([UnsafePointer<CChar>?]) -> Void) {
    let copies = texts.map { $0.flatMap { strdup($0) } }
    defer { copies.forEach { free($0) } }
    body(copies.map { $0.map { UnsafePointer($0) } })
}
