import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VInterchange

/// Files that are broken on purpose.
@Suite(.onTestThreads) struct HostileFileTests {
    /// The message of the error for a pickle; nil if it is read.
    private func refusal(_ pickle: [UInt8]) -> String? {
        do throws(FileDamage) {
            _ = try pickle.withUnsafeBytes { bytes in
                Result { () throws(FileDamage) in
                    var position = 0
                    return try Unpickler.read(bytes, at: &position)
                }
            }.get()
            return nil
        } catch {
            return error.reason
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func picklesThatBreakOff() {
        #expect(refusal([]) == "the pickle claims 1 bytes at byte 0, where 0 are left")
        #expect(
            refusal([0x80, 6, 0x4E, 0x2E]) == "the pickle is of protocol 6, and 5 is the newest known before byte 2")
        #expect(refusal([0x80, 2, 0x2E])?.contains("takes a value that is not there") == true)
        #expect(refusal([0xFF])?.contains("unknown opcode 255 at byte 0") == true)
        // A text of four gigabytes in a file of six bytes.
        #expect(refusal([0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E])?.contains("claims 4294967295 bytes at byte 5") == true)
        #expect(refusal([0x8D] + [UInt8](repeating: 0xFF, count: 8))?.contains("bytes at byte 9") == true)
        #expect(refusal([0x8B, 0xFF, 0xFF, 0xFF, 0xFF])?.contains("claims -1 bytes") == true)
        #expect(refusal(bytes("I12"))?.contains("unfinished line") == true)
        #expect(refusal(bytes("Ix\n."))?.contains("has 'x' for a whole number") == true)
        #expect(refusal([0x58, 1, 0, 0, 0, 0xFF, 0x2E])?.contains("is not UTF-8") == true)
    }

    @Test func picklesThatMisuseTheirStack() {
        #expect(refusal(bytes("t."))?.contains("ends a group that it never began") == true)
        #expect(refusal(bytes("h\u{1}."))?.contains("recalls object 1") == true)
        #expect(refusal(bytes("(Nu."))?.contains("has a key without a value") == true)
        #expect(refusal(bytes("N(Ne."))?.contains("adds items to what is no container") == true)
        #expect(refusal(bytes("NNR."))?.contains("gives arguments that are no tuple") == true)
        #expect(refusal(bytes("N)R."))?.contains("makes an object of what is no class") == true)
        #expect(refusal(bytes("N)Q."))?.contains("refers to data that are no tensor's") == true)
        #expect(refusal(bytes("Pname\n."))?.contains("refers to what lies outside it") == true)
        // A value below the mark does not belong to the frame above it.
        #expect(refusal(bytes("N(a."))?.contains("not there") == true)
    }

    @Test func deepNestingAndCyclesCostNothing() {
        let depth = 200_000
        #expect(refusal([UInt8](repeating: 0x5D, count: 1) + [UInt8](repeating: 0x85, count: depth) + [0x2E]) == nil)
        #expect(
            refusal([UInt8](repeating: 0x28, count: depth) + [UInt8](repeating: 0x74, count: depth) + [0x2E]) == nil)
    }

    @Test func listsCannotBeMultiplied() {
        // A list of a thousand items, converted to a set again and again.
        var pickle = bytes("](") + [UInt8](repeating: 0x4E, count: 1000) + bytes("eq\u{0}0cbuiltins\nset\nq\u{1}")
        for _ in 0..<1000 { pickle += bytes("h\u{1}h\u{0}") + [0x85] + bytes("R") }
        #expect(refusal(pickle + bytes("."))?.contains("copies the same items again and again") == true)
    }

    // MARK: Archives

    /// The bytes of an archive whose pickle is given.
    private func archive(_ pickle: [UInt8], _ others: [(String, [UInt8])] = []) throws -> Data {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("archive.pt")
            try AtomicFile.write(to: file) { output in
                var zip = ZipWriter()
                try zip.add("archive/data.pkl", Data(pickle), output)
                for (name, content) in others { try zip.add(name, Data(content), output) }
                try zip.finish(output)
            }
            return try Data(contentsOf: file)
        }
    }

    private func refusal(_ data: Data) throws -> String? {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("model.pt")
            try data.write(to: file)
            do {
                _ = try PyTorchFile(file)
                return nil
            } catch let error as CheckpointError {
                #expect("\(error)".contains(file.path), "the file is named")
                return "\(error)"
            }
        }
    }

    /// Changes bytes after the last occurrence of a signature.
    private func patched(_ data: Data, after signature: [UInt8], at offset: Int, _ bytes: [UInt8]) throws -> Data {
        let place = try #require(data.range(of: Data(signature), options: .backwards)).lowerBound + offset
        var data = data
        data.replaceSubrange(place..<place + bytes.count, with: bytes)
        return data
    }

    @Test func brokenArchives() throws {
        let good = try archive(bytes("N."))
        let (entry, end): ([UInt8], [UInt8]) = ([0x50, 0x4B, 1, 2], [0x50, 0x4B, 5, 6])
        #expect(try refusal(good) == nil)
        for (data, sentence) in try [
            (good.prefix(good.count - 30), "its zip directory is missing"),
            (patched(good, after: end, at: 10, [0xFF, 0x7F]), "claims 32767 entries"),
            (patched(good, after: end, at: 16, [0xFF, 0xFF, 0xFF, 0x7F]), "should lie at byte 2147483647"),
            (patched(good, after: end, at: 4, [1]), "one part of a split zip archive"),
            (patched(good, after: entry, at: 8, [1]), "is encrypted"),
            (patched(good, after: entry, at: 10, [8]), "is compressed"),
            (patched(good, after: entry, at: 24, [0xFF, 0xFF]), "claims 65535 bytes at byte 0"),
            (patched(good, after: entry, at: 42, [9]), "has no header at byte 9"),
            (patched(good, after: entry, at: 46, Array("../".utf8)), "has a name that leads out of the archive"),
            (patched(good, after: entry, at: 46, Array("/rooted".utf8)), "has a name that leads out of the archive"),
            (patched(good, after: [0x4E, 0x2E], at: 0, [0x88]), "does not have the checksum"),
        ] {
            let found = try refusal(data)
            #expect(found?.contains(sentence) == true, "\(found ?? "read") instead of \(sentence)")
        }
        for (others, sentence) in [
            ([("archive/data.pkl", [UInt8(0)])], "names archive/data.pkl twice"),
            ([("archive/byteorder", bytes("big"))], "are big-endian"),
            ([("archive/constants.pkl", [])], "is a TorchScript program"),
            ([("other/data.pkl", [])], "without the data.pkl"),
        ] {
            #expect(try refusal(archive(bytes("N."), others))?.contains(sentence) == true)
        }
        #expect(try refusal(Data())?.contains("not a file that torch.save wrote") == true)
        #expect(try refusal(Data("PK".utf8))?.contains("its zip directory is missing") == true)
        var tar = Data(count: 512)
        tar.replaceSubrange(257..<262, with: Data("ustar".utf8))
        #expect(try refusal(tar)?.contains("before 0.1.10") == true)
    }

    @Test(arguments: [
        // storage elements, offset, shape, strides
        (4, 0, [5], [1]), (4, 1, [4], [1]), (4, 0, [2, 2], [3, 1]), (4, 0, [1 << 40, 1 << 40], [1, 1]),
        (1 << 40, 0, [1 << 40], [1]), (4, 0, [4], [0]), (4, 0, [1_000_000, 1_000_000], [0, 0]),
        (4, 0, [2], [1 << 62]), (4, 1 << 62, [1], [1]), (5, 0, [5], [1]),
    ])
    func tensorsBeyondTheirData(_ storage: Int, _ offset: Int, _ shape: [Int], _ strides: [Int]) throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("model.pt")
            let data = try archive(bytes("N."), [("archive/data/0", [UInt8](repeating: 0, count: 16))])
            try data.write(to: file)
            let tensor = PickleTensor(
                storage: PickleStorage(type: "FloatStorage", key: "0", count: storage), offset: offset, shape: shape,
                strides: strides)
            let error = #expect(throws: CheckpointError.self) { try PyTorchFile(file).tensor(tensor, "weight") }
            #expect(error.map { "\($0)".contains("reaches beyond its data, or its elements overlap") } == true)
        }
    }
}
