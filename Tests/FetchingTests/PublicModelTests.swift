import Foundation
import TestSupport
import Testing

@testable import W2VFetching

@Suite(.onTestThreads) struct PublicModelTests {
    @Test func namesLeadToModels() {
        #expect(PublicModel.named("wav2vec_small")?.form == .fairseq)
        #expect(PublicModel.named("wav2vec_small.pt") == PublicModel.named("wav2vec_small"))
        #expect(PublicModel.named("facebook/wav2vec2-base")?.form == .huggingFace)
        #expect(PublicModel.named("someone/else_1.0")?.form == .huggingFace)
        for name in ["nonsense", "a/b/c", "/b", "a/", "../b", "a/..", "a b/c", "a/b?c", ""] {
            #expect(PublicModel.named(name) == nil, "\(name)")
        }
        #expect(Set(PublicModel.all.map(\.name)).count == PublicModel.all.count)
    }

    @Test func recognizersComeWithTheirDictionary() throws {
        let folder = URL(fileURLWithPath: "/models")
        let files = try #require(PublicModel.named("wav2vec_small_960h")).fairseqFiles(in: folder)
        #expect(files.map(\.name) == ["wav2vec_small_960h.pt", "dict.ltr.txt"])
        #expect(files[0].addresses == ["https://dl.fbaipublicfiles.com/fairseq/wav2vec/wav2vec_small_960h.pt"])
        #expect(try #require(PublicModel.named("wav2vec_small")).fairseqFiles(in: folder).count == 1)
    }

    @Test func theBestFormOfTheWeightsIsTaken() {
        let rest = [
            "config.json", "vocab.json", "flax_model.msgpack", "tf_model.h5", ".gitattributes", "runs/config.json",
        ]
        #expect(
            HubRepository.wanted(rest + ["model.safetensors", "pytorch_model.bin"])
                == ["config.json", "vocab.json", "model.safetensors"])
        #expect(
            HubRepository.wanted(rest + ["pytorch_model.bin"]) == ["config.json", "vocab.json", "pytorch_model.bin"])
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        #expect(
            HubRepository.wanted(rest + shards + ["model.safetensors.index.json", "pytorch_model.bin"])
                == Set(["config.json", "vocab.json", "model.safetensors.index.json"] + shards))
        #expect(!HubRepository.wanted(rest).contains("config.json"))
    }

    @Test func badListingsAreRefused() throws {
        let answers = [
            "/api/models/a/broken/revision/main": "not JSON",
            "/api/models/a/odd/revision/main": "{\"sha\": \"../../x\"}",
            "/api/models/a/empty/revision/main": "{\"sha\": \"0123456789\"}",
            "/api/models/a/empty/tree/0123456789": "[]",
            "/api/models/a/bare/revision/main": "{\"sha\": \"0123456789\"}",
            "/api/models/a/bare/tree/0123456789":
                "[{\"type\":\"file\",\"path\":\"config.json\",\"size\":1},{\"type\":\"file\",\"path\":\"model.safetensors\"}]",
        ]
        let server = try TestServer(files: answers.mapValues { Data($0.utf8) })
        defer { server.stop() }
        for name in ["a/broken", "a/odd", "a/empty", "a/bare"] {
            let error = #expect(throws: FetchError.self, "\(name)") {
                try HubRepository(name, endpoint: server.address).list(
                    into: URL(fileURLWithPath: "/models"), with: .quick)
            }
            guard case .badAnswer = error else {
                Issue.record("\(name): \(String(describing: error))")
                continue
            }
        }
    }
}
