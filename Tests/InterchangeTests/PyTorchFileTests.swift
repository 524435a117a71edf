import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VInterchange

/// Files that PyTorch itself wrote; `Tests/Fixtures/pytorch/make.py` documents their contents.
@Suite(.onTestThreads) struct PyTorchFileTests {
    static let folder = Repository.fixtures.appendingPathComponent("pytorch")

    private func open(_ name: String) throws -> PyTorchFile {
        try PyTorchFile(Self.folder.appendingPathComponent(name))
    }

    @Test(arguments: ["protocol2", "protocol3", "protocol4", "protocol5", "legacy"])
    func allThatTorchSavesIsRead(_ name: String) throws {
        let file = try open(name + ".pt")
        #expect(file.container == (name == "legacy" ? .legacy : .zip))
        let root = file.root
        let types = try #require(root["dtypes"])
        for (name, value) in try file.tensors(types, "dtypes") {
            #expect(value.dtype.description == name)
            #expect(try value.elements(Int.self) == (name == "bool" ? [0, 1, 1] : [0, 1, 2]))
        }
        #expect(types.members?.count == 10)

        let numbers = try #require(root["numbers"]?.items)
        #expect(
            numbers.prefix(10).map(\.integer) == [
                0, 1, 255, 256, 65535, 65536, -1, -2_147_483_648, 1 << 40, -(1 << 40),
            ])
        guard case .long = numbers[10].value else { throw Missing() }
        #expect(numbers[11].settingText == "0.5" && numbers[12].settingText == "inf")
        #expect(numbers[13].bool == true && numbers[14].isNone)
        let texts = root["texts"]?.items?.map(\.string)
        #expect(texts == ["", "plain", "Ümlaut 🎙", String(repeating: "x", count: 300)])
        #expect(root["tuple"]?.items?[1].settingText == "[2, 3]" && root["tuple"]?.items?[2].count == 0)
        guard case .bytes(let bytes)? = root["bytes"]?.value else { throw Missing() }
        #expect(bytes == [0, 255])
        #expect(root["set"]?.count == 1)
        #expect(root["default"]?["a"]?.settingText == "[1]")
    }

    @Test(arguments: ["protocol2", "protocol5", "legacy"])
    func viewsShareTheirStorage(_ name: String) throws {
        let file = try open(name + ".pt")
        let views = try file.tensors(#require(file.root["views"]), "views")
        let all = (0..<24).map(Float.init)
        #expect(try #require(views["whole"]).elements(Float.self) == all)
        let transposed = try #require(views["transposed"])
        #expect(transposed.shape == [6, 4] && transposed.strides == [1, 6])
        #expect(try transposed.elements(Float.self)[1] == 6)
        #expect(try #require(views["rows"]).elements(Float.self) == Array(all[6..<18]))
        #expect(try #require(views["columns"]).elements(Float.self).prefix(4) == [1, 3, 5, 7])
        #expect(try #require(views["scalar"]).shape == [] && views["scalar"]?.item() == 15)
        #expect(views["empty"]?.shape == [0, 3])
        #expect(try views["parameter"]?.item() == 7)
    }

    @Test func classesAreInert() throws {
        let root = try open("protocol2.pt").root
        let namespace = try #require(root["namespace"])
        #expect(namespace.typeName == "argparse.Namespace" && !namespace.isDictionary)
        #expect(namespace["mask_prob"]?.settingText == "0.65" && namespace["inner"]?["deep"]?.string == "yes")
        #expect(root["enumeration"]?.typeName == "__main__.Mode" && root["enumeration"]?.string == "one")
        #expect(root["object"]?.settingText == nil)
        // A call to the system's shell is two names and an argument.
        let malicious = try open("malicious.pt").root
        #expect(malicious.typeName == "os.system" && malicious.members == nil)
        #expect(throws: CheckpointError.self) {
            try Checkpoint.read(Self.folder.appendingPathComponent("malicious.pt"))
        }
        #expect(!FileManager.default.fileExists(atPath: "harm"))
    }

    @Test func oldAndOddPickles() throws {
        let text = try open("protocol0.pt").root
        #expect(text["numbers"]?.items?.prefix(2).map(\.integer) == [0, -5])
        #expect(text["numbers"]?.items?[4].bool == true && text["tuple"]?.settingText == "[1, 2]")
        #expect(text["texts"]?.items?[0].string == "plain")
        let cycle = try open("cycle.pt").root["cycle"]
        #expect(cycle?.items?[1].items?[1].items?[0].integer == 1)
        #expect(cycle?.settingText == nil)
    }

    @Test func typesThatAreNotSupportedAreNamed() throws {
        let file = try open("protocol2.pt")
        let error = #expect(throws: CheckpointError.self) {
            try file.tensors(#require(file.root["unsupported"]), "model")
        }
        #expect("\(try #require(error))".contains("tensor model.complex64 has elements of type ComplexFloat"))
    }

    @Test func packedArchivesAreRefused() {
        let error = #expect(throws: CheckpointError.self) { try open("compressed.pt") }
        #expect(error.map { "\($0)".contains("is compressed, which torch.save never does") } == true)
    }

    private struct Missing: Error {}
}
