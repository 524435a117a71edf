import W2VBase

/// The entries of a zip archive in memory: stored ones only, as `torch.save` writes them.
///
/// Entries are ranges of the mapped file, so nothing is unpacked: a compressed entry is an error, and no archive can
/// expand beyond its own size. Names serve as keys only; no file is ever created from them.
struct ZipArchive {
    /// The range of each entry's content in the file.
    let entries: [String: Range<Int>]
    private let checksums: [String: UInt32]

    private static let directoryEnd: UInt32 = 0x0605_4B50
    private static let directoryEntry: UInt32 = 0x0201_4B50
    private static let localHeader: UInt32 = 0x0403_4B50
    private static let locator64: UInt32 = 0x0706_4B50
    private static let directoryEnd64: UInt32 = 0x0606_4B50

    /// Reads the directory.
    ///
    /// - Parameter file: The whole archive.
    /// - Throws: `FileDamage` for an archive that is incomplete or uses unsupported features.
    init(_ file: UnsafeRawBufferPointer) throws(FileDamage) {
        let directory = try Self.directory(file)
        var reader = try ByteReader(file, at: directory.offset, "the zip directory")
        var entries: [String: Range<Int>] = [:]
        var checksums: [String: UInt32] = [:]
        for _ in 0..<directory.count {
            let entry = try Self.entry(&reader, file)
            guard entries.updateValue(entry.content, forKey: entry.name) == nil else {
                throw FileDamage("the zip directory names \(entry.name) twice")
            }
            checksums[entry.name] = entry.checksum
        }
        self.entries = entries
        self.checksums = checksums
    }

    /// Returns whether an entry's content has the checksum of the directory.
    func isIntact(_ name: String, in file: UnsafeRawBufferPointer) -> Bool {
        guard let range = entries[name], let expected = checksums[name] else { return false }
        var checksum = CRC32()
        checksum.add(UnsafeRawBufferPointer(rebasing: file[range]))
        return checksum.value == expected
    }

    /// Returns the directory's position and the number of its entries.
    private static func directory(_ file: UnsafeRawBufferPointer) throws(FileDamage) -> (offset: Int, count: Int) {
        // The end record takes 22 bytes, and may be followed by a comment of at most 65,535 bytes.
        var start = file.count - 22
        let lowest = max(0, start - 65_535)
        while start >= lowest, file.loadUnaligned(fromByteOffset: start, as: UInt32.self).littleEndian != directoryEnd {
            start -= 1
        }
        guard start >= lowest else {
            throw FileDamage("its zip directory is missing, as when a download or copy broke off: fetch it again")
        }
        var end = try ByteReader(file, at: start + 4, "the end of the zip directory")
        let (disk, directoryDisk) = (try end.integer(UInt16.self), try end.integer(UInt16.self))
        _ = try end.integer(UInt16.self)
        var count = Int(try end.integer(UInt16.self))
        _ = try end.integer(UInt32.self)
        var offset = Int(try end.integer(UInt32.self))
        if start >= 20, file.loadUnaligned(fromByteOffset: start - 20, as: UInt32.self).littleEndian == locator64 {
            var locator = try ByteReader(file, at: start - 12, "the zip64 locator")
            let place = try locator.integer(UInt64.self)
            guard place < file.count else { throw FileDamage("its zip64 directory lies beyond its end") }
            var end64 = try ByteReader(file, at: Int(place), "the end of the zip64 directory")
            guard try end64.integer(UInt32.self) == directoryEnd64 else {
                throw FileDamage("its zip64 directory is not where the locator says")
            }
            // Size of the record, two versions, two disk numbers, entries on this disk.
            _ = try end64.take(8 + 2 + 2 + 4 + 4 + 8)
            let (count64, _, offset64) = (
                try end64.integer(UInt64.self), try end64.integer(UInt64.self), try end64.integer(UInt64.self)
            )
            guard count64 < file.count, offset64 < file.count else {
                throw FileDamage("its zip64 directory claims \(count64) entries at byte \(offset64)")
            }
            (count, offset) = (Int(count64), Int(offset64))
        } else if disk != 0 || directoryDisk != 0 {
            throw FileDamage("it is one part of a split zip archive: join the parts first")
        }
        // An entry of the directory takes at least 46 bytes.
        guard count <= file.count / 46 else {
            throw FileDamage("its zip directory claims \(count) entries, more than fit into its \(file.count) bytes")
        }
        return (offset, count)
    }

    private static func entry(
        _ reader: inout ByteReader, _ file: UnsafeRawBufferPointer
    ) throws(FileDamage) -> (name: String, content: Range<Int>, checksum: UInt32) {
        guard try reader.integer(UInt32.self) == directoryEntry else {
            throw FileDamage("its zip directory has no entry at byte \(reader.position - 4)")
        }
        _ = try reader.take(4)
        let flags = try reader.integer(UInt16.self)
        let method = try reader.integer(UInt16.self)
        _ = try reader.take(4)
        let checksum = try reader.integer(UInt32.self)
        var packed = UInt64(try reader.integer(UInt32.self))
        var size = UInt64(try reader.integer(UInt32.self))
        let nameLength = Int(try reader.integer(UInt16.self))
        let extraLength = Int(try reader.integer(UInt16.self))
        let commentLength = Int(try reader.integer(UInt16.self))
        _ = try reader.take(8)
        var offset = UInt64(try reader.integer(UInt32.self))
        let name = try reader.text(nameLength)
        var extra = try ByteReader(try reader.take(extraLength), "the extra field of \(name)")
        _ = try reader.take(commentLength)
        while extra.remaining >= 4 {
            let (identifier, length) = (try extra.integer(UInt16.self), Int(try extra.integer(UInt16.self)))
            var field = try ByteReader(try extra.take(length), "the extra field of \(name)")
            guard identifier == 1 else { continue }
            // Zip64: only those that do not fit 32 bits, in this order.
            if size == 0xFFFF_FFFF { size = try field.integer(UInt64.self) }
            if packed == 0xFFFF_FFFF { packed = try field.integer(UInt64.self) }
            if offset == 0xFFFF_FFFF { offset = try field.integer(UInt64.self) }
        }
        try check(name, flags: flags, method: method)
        guard offset < file.count, size <= file.count, packed == size else {
            throw FileDamage("its entry \(name) claims \(size) bytes at byte \(offset) of \(file.count)")
        }
        // The local header repeats name and extra field, the latter with another length if content is aligned.
        var local = try ByteReader(file, at: Int(offset), "the header of \(name)")
        guard try local.integer(UInt32.self) == localHeader else {
            throw FileDamage("its entry \(name) has no header at byte \(offset)")
        }
        _ = try local.take(22)
        let (localName, localExtra) = (try local.integer(UInt16.self), try local.integer(UInt16.self))
        _ = try local.take(Int(localName) + Int(localExtra))
        let start = local.position
        _ = try local.take(Int(size))
        return (name, start..<start + Int(size), checksum)
    }

    private static func check(_ name: String, flags: UInt16, method: UInt16) throws(FileDamage) {
        guard flags & 1 == 0 else { throw FileDamage("its entry \(name) is encrypted") }
        guard method == 0 else {
            throw FileDamage(
                "its entry \(name) is compressed, which torch.save never does: unpack the archive and store it "
                    + "without compression (zip -0)")
        }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, !name.contains("\\"), !name.contains("\0"), !parts.contains(".."), parts.first != "" else {
            throw FileDamage("its entry \(name.debugDescription) has a name that leads out of the archive")
        }
    }
}
