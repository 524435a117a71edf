import Foundation
import SystemPackage

/// What the system's calls on descriptors need beyond `SystemPackage`: exact counts, and errors that are always an `Errno`.
extension FileDescriptor {
    /// Writes all bytes, and counts them as the system takes them.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - written: Grows by what was written, also where not all of it could be.
    /// - Throws: The system's error.
    public func write(all bytes: UnsafeRawBufferPointer, counting written: inout Int) throws(Errno) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Linux writes at most 2 GiB less a page in one call.
            let count = try retrying {
                Foundation.write(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            }
            guard count > 0 else { throw .ioError }
            rest = rest.dropFirst(count)
            written += count
        }
    }

    /// Reads at most as many bytes as the buffer holds.
    ///
    /// - Parameters:
    ///   - buffer: Where they go.
    ///   - offset: Where they lie in the file; nil for behind those that were read last.
    /// - Returns: The number of bytes, 0 at the end.
    /// - Throws: The system's error.
    public func read(some buffer: UnsafeMutableRawBufferPointer, at offset: Int? = nil) throws(Errno) -> Int {
        try retrying {
            if let offset { return Foundation.pread(rawValue, buffer.baseAddress, buffer.count, off_t(offset)) }
            return Foundation.read(rawValue, buffer.baseAddress, buffer.count)
        }
    }

    /// Puts what was written on the disk.
    ///
    /// - Throws: The system's error.
    public func synchronize() throws(Errno) { _ = try retrying { Int(fsync(rawValue)) } }

    /// The size, kind and time of change of what is open.
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
    /// Whether it is a file, and no folder, link, device or pipe.
    public var isFile: Bool { st_mode & S_IFMT == S_IFREG }
    /// Whether it is a folder.
    public var isFolder: Bool { st_mode & S_IFMT == S_IFDIR }
}
