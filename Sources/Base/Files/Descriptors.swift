import Foundation
import SystemPackage

/// Additions to `SystemPackage`'s descriptors: exact counts, and errors that are always an `Errno`.
extension FileDescriptor {
    /// Writes all bytes, counting those that the system has accepted.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - written: Increased by the number of written bytes, also if not all could be written.
    /// - Throws: The system's error.
    public func write(all bytes: UnsafeRawBufferPointer, counting written: inout Int) throws(Errno) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Linux writes at most 2 GiB less one page per call.
            let count = try retrying {
                Foundation.write(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            }
            guard count > 0 else { throw .ioError }
            rest = rest.dropFirst(count)
            written += count
        }
    }

    /// Reads at most as many bytes as fit into the buffer.
    ///
    /// - Parameters:
    ///   - buffer: Receives the bytes.
    ///   - offset: Their position in the file; nil to continue after the last read.
    /// - Returns: Number of bytes, 0 at the end.
    /// - Throws: The system's error.
    public func read(some buffer: UnsafeMutableRawBufferPointer, at offset: Int? = nil) throws(Errno) -> Int {
        try retrying {
            if let offset { return Foundation.pread(rawValue, buffer.baseAddress, buffer.count, off_t(offset)) }
            return Foundation.read(rawValue, buffer.baseAddress, buffer.count)
        }
    }

    /// Syncs written data to the disk.
    ///
    /// - Throws: The system's error.
    public func synchronize() throws(Errno) { _ = try retrying { Int(fsync(rawValue)) } }

    /// Returns the size, kind and modification time of the open file.
    ///
    /// - Throws: The system's error.
    public func status() throws(Errno) -> stat {
        var status = Foundation.stat()
        _ = try retrying { Int(fstat(rawValue, &status)) }
        return status
    }

    private func retrying(_ call: () -> Int) throws(Errno) -> Int {
        while true {
            let result = call()
            if result >= 0 { return result }
            let error = Errno(rawValue: errno)
            if error != .interrupted { throw error }
        }
    }
}

extension stat {
    /// Whether it is a regular file, not a folder, link, device or pipe.
    public var isFile: Bool { st_mode & S_IFMT == S_IFREG }
    /// Whether it is a folder.
    public var isFolder: Bool { st_mode & S_IFMT == S_IFDIR }
}
