import Foundation
import TestSupport
import W2VFetching

/// A hub's answers about the model `some/model`.
struct TestHub {
    /// The commit of its branch `main`.
    let commit = "0123456789abcdef0123456789abcdef01234567"
    let server: TestServer

    /// Serves a model.
    ///
    /// - Parameters:
    ///   - files: The model's files; those of weights are in LFS.
    ///   - folder: A folder for computing digests.
    ///   - breaksAt: The number of bytes after which the first transfer of weights breaks.
    init(_ files: [String: Data], in folder: URL, breaksAt: Int? = nil) throws {
        func digest(_ kind: Checksum.Kind, _ data: Data) throws -> String {
            let file = folder.appendingPathComponent("digest")
            try data.write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            return try Checksum.compute(kind, of: file).digest
        }
        let entries = try files.map { name, content in
            let sum = try digest(name.hasSuffix("safetensors") ? .sha256 : .gitBlob, content)
            return name.hasSuffix("safetensors")
                ? """
                {"type": "file", "oid": "3", "size": 130, "path": "\(name)",
                 "lfs": {"oid": "\(sum)", "size": \(content.count), "pointerSize": 130}}
                """
                : "{\"type\": \"file\", \"oid\": \"\(sum)\", \"size\": \(content.count), \"path\": \"\(name)\"}"
        }
        let tree = ["{\"type\": \"directory\", \"oid\": \"1\", \"size\": 0, \"path\": \"runs\"}"] + entries
        let about = "{\"sha\": \"\(commit)\", \"cardData\": {\"license\": \"apache-2.0\"}, \"tags\": [\"license:mit\"]}"
        var answers = [
            "/api/models/some/model/revision/main": Data(about.utf8),
            "/api/models/some/model/revision/v1%2Fx": Data(about.utf8),
            "/api/models/some/model/tree/\(commit)": Data("[\(tree.joined(separator: ",\n"))]".utf8),
        ]
        for (name, content) in files { answers["/some/model/resolve/\(commit)/\(name)"] = content }
        server = try TestServer { [answers] request, _ in
            guard let content = answers[request.target] else { return TestResponse(404) }
            var response = TestResponse.file(content, request)
            if request.target.hasSuffix("safetensors"), request.rangeStart == nil { response.closesAfter = breaksAt }
            return response
        }
    }

    /// The environment of a program that uses this hub, with the user's cache in a folder.
    func environment(cache: URL) -> [String: String] {
        ["HF_ENDPOINT": server.address, "XDG_CACHE_HOME": cache.path, "no_proxy": "*"]
    }
}
