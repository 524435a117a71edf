import CW2VFetching
import Foundation
import SystemPackage
import W2VBase

/// Unpacks tar archives from untrusted sources.
public enum TarArchive {
    /// Unpacks an archive into a folder that appears only when its contents are complete.
    ///
    /// Only files and folders with names below the folder are allowed: links, devices, absolute names and `..` are
    /// refused, and then everything is discarded.
    ///
    /// - Parameters:
    ///   - archive: A tar archive, compressed with gzip or not.
    ///   - folder: The destination; an existing folder is replaced.
    ///   - maximumBytes: Maximum size of all files together, in bytes.
    ///   - monitor: Receives progress, and may stop the work.
    /// - Returns: Number of files.
    /// - Throws: `FetchError`.
    @discardableResult
    public static func unpack(
        _ archive: URL, into folder: URL, maximumBytes: Int, monitor: FetchMonitor = FetchMonitor()
    ) throws -> Int {
        try SystemLibrary.archive.load()
        do {
            try FileManager.default.createDirectory(
                at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
            return try AtomicFolder.write(to: folder) { staging in
                let unpacker = try Unpacker(
                    archive, into: staging, named: folder, maximumBytes: maximumBytes, monitor: monitor)
                let count = try unpacker.run()
                // All files at once: one by one takes much longer for the thousands of files in an archive.
                if let descriptor = try? FileDescriptor.open(
                    staging.path, .readOnly, options: [.directory, .closeOnExec])
                {
                    cfetching_sync(descriptor.rawValue)
                    try? descriptor.close()
                }
                return count
            }
        } catch let error as FileWriteError {
            throw FetchError.notWritten(error)
        } catch let error as CocoaError {
            throw FetchError.unwritable(file: folder.path, reason: SystemReason.of(error))
        }
    }
}

/// One archive being unpacked.
private final class Unpacker {
    private let archive: URL
    private let folder: URL
    /// The folder's name in the end, by which errors call it.
    private let place: URL
    private let maximumBytes: Int
    private let monitor: FetchMonitor
    private let handle: UnsafeMutableRawPointer
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private var meter: RateMeter
    private var position = 0
    private var written = 0
    private var foldersMade: Set<String> = []

    init(_ archive: URL, into folder: URL, named place: URL, maximumBytes: Int, monitor: FetchMonitor) throws {
        self.archive = archive
        (self.folder, self.place) = (folder, place)
        self.maximumBytes = maximumBytes
        self.monitor = monitor
        var status = stat()
        guard stat(archive.path, &status) == 0 else {
            throw FetchError.damagedArchive(file: archive.path, reason: SystemReason.of(code: errno))
        }
        meter = RateMeter(name: archive.lastPathComponent, phase: .unpacking, total: Int(status.st_size))
        var message = [CChar](repeating: 0, count: 256)
        guard let handle = cfetching_archive_open(archive.path, &message, message.count) else {
            throw FetchError.damagedArchive(
                file: archive.path,
                reason: String(
                    decoding: message.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self))
        }
        self.handle = handle
    }

    deinit {
        cfetching_archive_close(handle)
        buffer.deallocate()
    }

    func run() throws -> Int {
        var files = 0
        while true {
            var name: UnsafePointer<CChar>?
            var kind = cfetching_other
            var size: Int64 = 0
            let code = cfetching_archive_next(handle, &name, &kind, &size)
            if code == 0 { break }
            guard code > 0, let name else { throw damaged() }
            let path = try safePath(name)
            if kind == cfetching_folder {
                try makeFolder(path, entry: path)
            } else if kind == cfetching_file {
                guard !path.isEmpty else { throw refused(path, "a file must have a name") }
                try makeFolder((path as NSString).deletingLastPathComponent, entry: path)
                try extract(path)
                files += 1
            } else {
                throw refused(path, "it is a link or a device; only files and folders are expected")
            }
            report()
            try monitor.stopIfAsked(at: archive.lastPathComponent)
        }
        if files == 0 { throw FetchError.damagedArchive(file: archive.path, reason: "it holds no files") }
        return files
    }

    /// Returns an entry's name as a path below the folder, without `.` and doubled slashes.
    private func safePath(_ name: UnsafePointer<CChar>) throws -> String {
        let shown = String(cString: name)
        guard let text = String(validatingCString: name), !text.unicodeScalars.contains(where: { $0.value < 32 }) else {
            throw refused(shown, "its name is not plain text")
        }
        guard !text.hasPrefix("/") else { throw refused(text, "its name begins at the root of the disk") }
        let parts = text.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw refused(text, "its name leads out of the folder") }
        guard parts.allSatisfy({ $0.utf8.count <= 255 }), parts.count <= 64 else {
            throw refused(text.prefix(200) + "…", "its name is too long")
        }
        return parts.joined(separator: "/")
    }

    private func makeFolder(_ path: String, entry: String) throws {
        guard foldersMade.insert(path).inserted else { return }
        do {
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(path), withIntermediateDirectories: true)
        } catch {
            // Only a file of the same name is the archive's fault.
            let reason = SystemReason.of(error)
            let isOccupied =
                (error as? CocoaError)?.code == .fileWriteFileExists || reason == SystemReason.of(code: ENOTDIR)
            throw isOccupied
                ? refused(entry, "its folder cannot be made (\(reason))")
                : FetchError.unwritable(file: place.appendingPathComponent(path).path, reason: reason)
        }
    }

    private func extract(_ path: String) throws {
        let target = folder.appendingPathComponent(path).path
        let descriptor = FileDescriptor(
            rawValue: open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666))
        guard descriptor.rawValue >= 0 else {
            if errno == EEXIST || errno == EISDIR { throw refused(path, "the archive has it twice") }
            throw failure(path, Errno(rawValue: errno))
        }
        defer { try? descriptor.close() }
        while true {
            let count = Int(cfetching_archive_read(handle, buffer.baseAddress, buffer.count))
            guard count >= 0 else { throw damaged() }
            if count == 0 { return }
            written += count
            guard written <= maximumBytes else {
                throw refused(path, "the files together are larger than \(ReadableText.size(maximumBytes))")
            }
            var done = 0
            do throws(Errno) {
                try descriptor.write(all: UnsafeRawBufferPointer(rebasing: buffer[..<count]), counting: &done)
            } catch {
                throw failure(path, error)
            }
            report()
        }
    }

    private func report() {
        let now = Int(cfetching_archive_position(handle))
        monitor.report(meter.advance(by: now - position))
        position = now
    }

    private func refused(_ entry: some StringProtocol, _ reason: String) -> FetchError {
        .unsafeArchive(file: archive.path, entry: String(entry), reason: reason)
    }

    private func damaged() -> FetchError {
        .damagedArchive(file: archive.path, reason: String(cString: cfetching_archive_message(handle)))
    }

    private func failure(_ path: String, _ code: Errno) -> FetchError {
        .notWritten(place.appendingPathComponent(path), code)
    }
}
