import Foundation
import TestSupport
import Testing
import W2VBase

@testable import W2VTorch

/// The bytes of a file with a header as written and data of zeros.
private func image(_ header: String, data: Int = 0) -> Data { image(Data(header.utf8), data: data) }

private func image(_ header: Data, data: Int = 0) -> Data {
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + Data(count: data)
}

private func damage(_ file: Data) -> SafetensorsError.Damage? {
    do throws(SafetensorsError.Damage) {
        _ = try file.withUnsafeBytes { bytes in
            Result { () throws(SafetensorsError.Damage) in try SafetensorsHeader(file: bytes) }
        }.get()
        return nil
    } catch {
        return error
    }
}

private func floats(_ count: Int) -> Data {
    (0..<count).map { Float($0) + 0.5 }.withUnsafeBytes { Data($0) }
}

@Suite(.onTestThreads) struct SafetensorsFormatTests {
    @Test func roundTrip() throws {
        let scratch = try TemporaryFolder()
        let odd = "quote \" backslash \\ tab \t bell \u{7} umlaut ä emoji 🎙"
        let tensors = [
            SafetensorsTensor(name: "weight", type: .float32, shape: [2, 3], bytes: floats(6)),
            SafetensorsTensor(name: "flags", type: .bool, shape: [3], bytes: Data([1, 0, 1])),
            SafetensorsTensor(name: "step", type: .int64, shape: [], bytes: Data([7, 0, 0, 0, 0, 0, 0, 0])),
            SafetensorsTensor(name: "empty", type: .float16, shape: [4, 0], bytes: Data()),
            SafetensorsTensor(name: odd, type: .bfloat16, shape: [1], bytes: Data([0x80, 0x3F])),
        ]
        try SafetensorsWriter.write(
            tensors, metadata: ["format": "pt", odd: odd], to: scratch.file("model.safetensors"))
        let file = try SafetensorsFile(scratch.file("model.safetensors"))
        #expect(file.metadata == ["format": "pt", odd: odd])
        #expect(file.entries.map(\.name) == ["step", "weight", "empty", odd, "flags"])
        for tensor in tensors {
            let entry = try file.requiredEntry(tensor.name)
            #expect(entry.type == tensor.type)
            #expect(entry.shape == tensor.shape)
            var written = Data()
            try tensor.provider { written.append(contentsOf: $0) }
            #expect(file.withBytes(of: entry) { Data($0) } == written)
            #expect(entry.byteRange.lowerBound.isMultiple(of: entry.type.itemSize))
        }
        #expect(try file.requiredEntry("weight").elementCount == 6)
        #expect(file.entry("bias") == nil)
        #expect(throws: SafetensorsError.missingTensor(path: file.path, name: "bias")) {
            try file.requiredEntry("bias")
        }
        #expect(try scratch.names() == ["model.safetensors"])
    }

    @Test func aFloodOfEmptyTensorsIsRefused() {
        func header(_ count: Int) -> String {
            let tensors = (0..<count).map { "\"t\($0)\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}" }
            return "{" + tensors.joined(separator: ",") + "}"
        }
        #expect(damage(image(header(2_000))) == nil)
        #expect(damage(image(header(SafetensorsHeader.mostTensors + 1))) == .tooManyTensors)
    }

    @Test func sameTensorsGiveSameBytes() throws {
        let scratch = try TemporaryFolder()
        let tensors = ["b", "a", "B", "ä", "c.1", "c.10", "c.2"].enumerated().map { index, name in
            SafetensorsTensor(
                name: name, type: index.isMultiple(of: 2) ? .float32 : .uint8, shape: [1],
                bytes: Data(count: index.isMultiple(of: 2) ? 4 : 1))
        }
        try SafetensorsWriter.write(tensors, metadata: ["x": "1", "y": "2", "z": "3"], to: scratch.file("one"))
        try SafetensorsWriter.write(
            tensors.reversed(), metadata: ["z": "3", "y": "2", "x": "1"], to: scratch.file("two"))
        let one = try Data(contentsOf: scratch.file("one"))
        #expect(one == (try Data(contentsOf: scratch.file("two"))))
        let length = one.prefix(8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        #expect(length.isMultiple(of: 8))
    }

    @Test func acceptsWhatTheFormatAllows() {
        #expect(damage(image("{}")) == nil)
        #expect(damage(image("{}   ")) == nil)
        let spaced = #"{ "a" : { "shape" : [ 2 , 1 ] , "data_offsets":[0,8],"dtype":"F32"} }"#
        #expect(damage(image(spaced, data: 8)) == nil)
        // The order of names need not be that of the data, and an empty tensor may be anywhere in between.
        let header =
            #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"e":{"dtype":"F64","shape":[0],"data_offsets":[1,1]},"#
            + #""a\u00e4\ud83c\udf99":{"dtype":"I8","shape":[],"data_offsets":[0,1]},"__metadata__":{"k":"v"}}"#
        #expect(damage(image(header, data: 3)) == nil)
    }

    @Test(arguments: [
        (Data(), SafetensorsError.Damage.tooShort(bytes: 0)),
        (Data([1, 2, 3]), .tooShort(bytes: 3)),
        (Data(repeating: 0xFF, count: 8), .headerTooLong(length: .max)),
        (Data([0, 0x10, 0, 0, 0, 0, 0, 0]) + Data("{}".utf8), .headerBeyondEnd(length: 4096, bytes: 10)),
        (image(""), .syntax(offset: 8, expected: "the header to begin with {")),
        (image(" {}"), .syntax(offset: 8, expected: "the header to begin with {")),
        (image("[]"), .syntax(offset: 8, expected: "the header to begin with {")),
        (image("{} x"), .syntax(offset: 11, expected: "nothing but spaces after the header's object")),
        (image("{\"a\":1}"), .syntax(offset: 13, expected: "{")),
        (image("{\"a"), .syntax(offset: 11, expected: "the end of a string")),
        (image("{\"__metadata__\":{\"k\":1}}"), .syntax(offset: 29, expected: "\"")),
        (image("{\"a\":{},}"), .syntax(offset: 16, expected: "\"")),
        (image("{\"a\":{}}"), .missingField(tensor: "a", field: "dtype")),
        (image("{}", data: 1), .wrongEnd(expected: 0, found: 1)),
    ])
    func namesDamageOfTheFrame(file: Data, expected: SafetensorsError.Damage) {
        #expect(damage(file) == expected)
    }

    @Test(arguments: [
        (#"{"dtype":"F32","shape":[2]}"#, SafetensorsError.Damage.missingField(tensor: "a", field: "data_offsets")),
        (#"{"dtype":"F32","data_offsets":[0,8]}"#, .missingField(tensor: "a", field: "shape")),
        (#"{"shape":[2],"data_offsets":[0,8]}"#, .missingField(tensor: "a", field: "dtype")),
        (
            #"{"dtype":"F33","shape":[2],"data_offsets":[0,8]}"#,
            .unknownType(tensor: "a", type: "F33")
        ),
        (
            #"{"dtype":"F32","shape":[2],"data_offsets":[0,8],"device":"x"}"#,
            .unknownField(tensor: "a", field: "device")
        ),
        (#"{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, .duplicateKey("dtype")),
        (
            #"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#,
            .syntax(offset: 37, expected: "a whole number that is not negative")
        ),
        (
            #"{"dtype":"F32","shape":[02],"data_offsets":[0,8]}"#,
            .syntax(offset: 37, expected: "a whole number that is not negative")
        ),
        (#"{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}"#, .syntax(offset: 38, expected: ", or ]")),
        (
            #"{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}"#,
            .syntax(offset: 37, expected: "a number below 2 to the power of 63")
        ),
        (
            #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
            .shapeOverflow(tensor: "a", shape: [4_294_967_296, 4_294_967_296])
        ),
        (
            #"{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}"#,
            .syntax(offset: 55, expected: "two data_offsets")
        ),
        (
            #"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
            .offsetsOutOfRange(tensor: "a", begin: 8, end: 0, available: 8)
        ),
        (
            #"{"dtype":"F32","shape":[3],"data_offsets":[0,12]}"#,
            .offsetsOutOfRange(tensor: "a", begin: 0, end: 12, available: 8)
        ),
        (
            #"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#,
            .wrongSize(tensor: "a", expected: 12, found: 8)
        ),
        (
            #"{"dtype":"U8","shape":[7],"data_offsets":[1,8]}"#,
            .notContiguous(tensor: "a", expected: 0, found: 1)
        ),
        (#"{"dtype":"U8","shape":[7],"data_offsets":[0,7]}"#, .wrongEnd(expected: 7, found: 8)),
        (#"{"dtype":"F\x32"}"#, .syntax(offset: 25, expected: "an escape that JSON knows")),
        (#"{"dtype":"\ud800"}"#, .notUTF8(offset: 23)),
        (#"{"dtype":"\u12g4"}"#, .syntax(offset: 27, expected: "four hexadecimal digits")),
        ("{\"dtype\":\"\u{1}\"}", .syntax(offset: 23, expected: "no control characters in a string")),
    ])
    func namesDamageOfATensor(fields: String, expected: SafetensorsError.Damage) {
        #expect(damage(image("{\"a\":\(fields)}", data: 8)) == expected)
    }

    @Test func refusesOverlapsHolesAndDuplicates() {
        func header(_ first: String, _ second: String) -> Data {
            image(
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"#
                    + #""b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#, data: 8)
        }
        #expect(damage(header("[0,4]", "[4,8]")) == nil)
        #expect(damage(header("[4,8]", "[0,4]")) == nil)
        #expect(damage(header("[0,4]", "[3,7]")) == .notContiguous(tensor: "b", expected: 4, found: 3))
        #expect(damage(header("[0,4]", "[0,4]")) == .notContiguous(tensor: "b", expected: 4, found: 0))
        let tensor = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        #expect(damage(image("{\"a\":\(tensor),\"a\":\(tensor)}")) == .duplicateKey("a"))
        #expect(damage(image("{\"a\":\(tensor),\"\\u0061\":\(tensor)}")) == .duplicateKey("a"))
        #expect(damage(image(#"{"__metadata__":{"k":"1","k":"2"}}"#)) == .duplicateKey("k"))
        #expect(damage(image(#"{"__metadata__":{},"__metadata__":{}}"#)) == .duplicateKey("__metadata__"))
        #expect(damage(image(Data([0x7B, 0x22, 0xFF, 0x22, 0x3A]))) == .notUTF8(offset: 10))
    }

    @Test func errorsNameTheFile() throws {
        let scratch = try TemporaryFolder()
        #expect(
            throws: SafetensorsError.unreadable(
                path: scratch.file("model.safetensors").path, reason: "there is no such file or folder")
        ) {
            try SafetensorsFile(scratch.file("model.safetensors"))
        }
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(scratch.url) }
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(URL(filePath: "/dev/zero")) }
        try Data().write(to: scratch.file("model.safetensors"))
        let expected = SafetensorsError.damaged(path: scratch.file("model.safetensors").path, .tooShort(bytes: 0))
        #expect(throws: expected) { try SafetensorsFile(scratch.file("model.safetensors")) }
        #expect(expected.description.contains(scratch.file("model.safetensors").path))
    }

    @Test func everyTruncationIsRefused() throws {
        let scratch = try TemporaryFolder()
        let tensors = [
            SafetensorsTensor(name: "a", type: .float32, shape: [3], bytes: floats(3)),
            SafetensorsTensor(name: "b", type: .uint8, shape: [5], bytes: Data(count: 5)),
        ]
        try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: scratch.file("model.safetensors"))
        let whole = try Data(contentsOf: scratch.file("model.safetensors"))
        #expect(damage(whole) == nil)
        for count in 0..<whole.count { #expect(damage(whole.prefix(count)) != nil) }
    }

    @Test func survivesMutations() throws {
        var choices = Choices(seed: 61)
        let scratch = try TemporaryFolder()
        let tensors = (0..<4).map { index in
            SafetensorsTensor(name: "t\(index)", type: .float32, shape: [index, 2], bytes: floats(index * 2))
        }
        try SafetensorsWriter.write(tensors, metadata: ["k": "v\n"], to: scratch.file("model.safetensors"))
        let original = try Data(contentsOf: scratch.file("model.safetensors"))
        let tokens = ["{", "}", "[", "]", ",", ":", "\"", "\\u", "-1", "99999999999999999999", "\"F64\"", "\u{FFFF}"]
        var accepted = 0
        for _ in 0..<4000 {
            var file = original
            for _ in 0..<Int.random(in: 1...3, using: &choices) {
                let place = Int.random(in: 0..<max(1, file.count), using: &choices)
                switch Int.random(in: 0..<5, using: &choices) {
                case 0 where !file.isEmpty: file[place] = UInt8.random(in: 0...255, using: &choices)
                case 1 where !file.isEmpty: file[place] ^= 1 << UInt8.random(in: 0..<8, using: &choices)
                case 2:
                    file.insert(
                        contentsOf: Data(tokens.randomElement(using: &choices)!.utf8), at: min(place, file.count))
                case 3: file.removeSubrange(place..<min(file.count, place + Int.random(in: 0...4, using: &choices)))
                default: file = file.prefix(place)
                }
                file = Data(file)
            }
            file.withUnsafeBytes { bytes in
                guard let header = try? SafetensorsHeader(file: bytes) else { return }
                accepted += 1
                for entry in header.entries {
                    #expect(entry.byteRange.lowerBound >= 8 && entry.byteRange.upperBound <= bytes.count)
                    #expect(entry.type.byteCount(shape: entry.shape) == entry.byteRange.count)
                }
            }
        }
        // Mutations of the data and of a name's letters leave a valid file; without some of them the test would prove
        // little.
        #expect(accepted > 0 && accepted < 3000)
    }

    @Test func refusesToWriteWhatCannotBeRead() throws {
        let scratch = try TemporaryFolder()
        func write(_ tensors: SafetensorsTensor...) throws {
            try SafetensorsWriter.write(tensors, to: scratch.file("model.safetensors"))
        }
        let good = SafetensorsTensor(name: "a", type: .float32, shape: [1], bytes: floats(1))
        try write(good)
        let before = try Data(contentsOf: scratch.file("model.safetensors"))
        #expect(throws: SafetensorsError.self) { try write(good, good) }
        #expect(throws: SafetensorsError.self) {
            try write(SafetensorsTensor(name: "__metadata__", type: .uint8, shape: [0], bytes: Data()))
        }
        #expect(throws: SafetensorsError.self) {
            try write(SafetensorsTensor(name: "a", type: .float32, shape: [.max, 2], bytes: Data()))
        }
        #expect(throws: SafetensorsError.self) {
            try write(SafetensorsTensor(name: "a", type: .float32, shape: [-1], bytes: Data()))
        }
        #expect(throws: SafetensorsError.self) {
            try write(SafetensorsTensor(name: "a", type: .float32, shape: [2], bytes: floats(1)))
        }
        #expect(throws: CancellationError.self) {
            try write(SafetensorsTensor(name: "a", type: .uint8, shape: [1]) { _ in throw CancellationError() })
        }
        #expect(try Data(contentsOf: scratch.file("model.safetensors")) == before)
        #expect(try scratch.names() == ["model.safetensors"])
        let missing = scratch.url.appending(path: "none/model.safetensors")
        #expect(throws: FileWriteError.failed(path: missing.path, step: "create", reason: "its folder does not exist"))
        {
            try SafetensorsWriter.write([good], to: missing)
        }
    }

    @Test func replacingLeavesOpenFilesWhole() throws {
        let scratch = try TemporaryFolder()
        let old = floats(1000)
        let name = "a"
        try SafetensorsWriter.write(
            [SafetensorsTensor(name: name, type: .float32, shape: [1000], bytes: old)],
            to: scratch.file("model.safetensors"))
        let file = try SafetensorsFile(scratch.file("model.safetensors"))
        try SafetensorsWriter.write(
            [SafetensorsTensor(name: name, type: .uint8, shape: [1], bytes: Data([9]))],
            to: scratch.file("model.safetensors"))
        #expect(file.withBytes(of: try file.requiredEntry(name)) { Data($0) } == old)
        #expect(try SafetensorsFile(scratch.file("model.safetensors")).requiredEntry(name).shape == [1])
    }

    /// In a process of its own, because the limit on file sizes holds for the whole process.
    @Test func fullDiskLeavesTheOldFile() async {
        await #expect(processExitsWith: .success) {
            let scratch = try TemporaryFolder()
            let small = SafetensorsTensor(name: "a", type: .float32, shape: [4], bytes: floats(4))
            try SafetensorsWriter.write([small], to: scratch.file("model.safetensors"))
            let before = try Data(contentsOf: scratch.file("model.safetensors"))
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let large = SafetensorsTensor(name: "a", type: .float32, shape: [40_000], bytes: floats(40_000))
            let error = try #require(throws: FileWriteError.self) {
                try SafetensorsWriter.write([large], to: scratch.file("model.safetensors"))
            }
            // The write that crosses the limit is cut short, the next one fails.
            #expect(
                error
                    == .noSpace(
                        path: scratch.file("model.safetensors").path,
                        reason: "the process's file size limit is reached", written: 100_000)
            )
            #expect(try Data(contentsOf: scratch.file("model.safetensors")) == before)
            #expect(try scratch.names() == ["model.safetensors"])
        }
    }
}
